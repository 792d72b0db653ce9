from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from medbench.imaging.volume import Volume
from medbench.report.figures_pairs import ClosePair, closest_pairs

WINDOW = (-1000.0, 1000.0)


def volume(seed: int) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume(rng.integers(-1000, 400, (20, 16, 12), dtype=np.int16), np.diag([1.0, 1.0, 2.0, 1.0]))


def pair(sample: int, training: int) -> ClosePair:
    return ClosePair(volume(sample), volume(training), similarity=0.97, ncc=0.91)


def pixels(pairs: list[ClosePair], path: Path) -> np.ndarray:
    closest_pairs(pairs, path, window=WINDOW)
    return imread(path)[..., :3]


def coloured(picture: np.ndarray) -> int:
    """Count pixels left of the colour bar that are not grey: a difference that is not zero."""
    cells = picture[60:-60, :-130]
    return int((np.ptp(cells, axis=2) > 0.1).sum())


def test_a_copy_shows_no_difference_and_a_stranger_does(tmp_path):
    copy, stranger = pixels([pair(1, 1)], tmp_path / "a.png"), pixels([pair(1, 2)], tmp_path / "b.png")
    assert coloured(copy) == 0
    assert coloured(stranger) > 1000


def test_a_shifted_copy_is_moved_back(tmp_path):
    box = np.full((20, 16, 12), -1000, np.int16)
    box[6:14, 5:11, 4:8] = 200
    one, aside = Volume(box), Volume(np.roll(box, (2, -1, 1), axis=(0, 1, 2)))
    assert coloured(pixels([ClosePair(aside, one, similarity=0.9, ncc=1.0)], tmp_path / "aside.png")) == 0


def test_the_training_volume_stands_left_of_the_sample(tmp_path):
    black = Volume(np.full((20, 16, 12), -1000, np.int16))
    white = Volume(np.full((20, 16, 12), 1000, np.int16))
    picture = pixels([ClosePair(white, black, similarity=0.0, ncc=0.0)], tmp_path / "pair.png")
    row = picture[picture.shape[0] // 2].mean(axis=1)
    first_white = int(np.argmax(row > 0.99))
    swapped = pixels([ClosePair(black, white, similarity=0.0, ncc=0.0)], tmp_path / "swapped.png")
    assert int(np.argmax(swapped[swapped.shape[0] // 2].mean(axis=1) > 0.99)) < first_white


def test_four_pairs_at_most_and_the_same_bytes_again(tmp_path):
    pairs = [pair(seed, seed + 1) for seed in range(6)]
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    closest_pairs(pairs, first, window=WINDOW)
    closest_pairs(pairs[:4], again, window=WINDOW)
    assert first.read_bytes() == again.read_bytes()
    closest_pairs([replace(pairs[0], ncc=0.5), *pairs[1:]], again, window=WINDOW)
    assert first.read_bytes() != again.read_bytes()


def test_no_pair_is_refused(tmp_path):
    with pytest.raises(ValueError):
        closest_pairs([], tmp_path / "none.png", window=WINDOW)
