from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.base import Measured
from medbench.metrics.memorization.figure import draw


def volume(seed: int) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume(rng.integers(-1000, 400, (20, 16, 12), dtype=np.int16), np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture
def show(tmp_path, result, make_side, make_evidence):
    """Draw pairs of sample and nearest training volume, the first the most alike; return the path."""

    def drawn(name: str, *pairs: tuple[Volume, Volume], ncc: float = 0.91) -> Path:
        samples, training = zip(*pairs)
        count = len(pairs)
        evidence = make_evidence(make_side(count, scans=training), make_side(count, scans=samples))
        rows = [
            {
                "side": "synthetic",
                "id": one,
                "nearest_training": one,
                "similarity": 0.97 - place / 100,
                "ncc": ncc if place == 0 else 0.9,
                "ratio": 0.1 + place / 100,
                "flagged": True,
            }
            for place, one in enumerate(evidence.synthetic.ids)
        ]
        table = pd.DataFrame([*rows[::-1], {**rows[0], "side": "held_out", "id": "h0", "ratio": 0.0}])
        draw(Measured(result, table, evidence), tmp_path / f"{name}.png")
        return tmp_path / f"{name}.png"

    return drawn


def pixels(path: Path) -> np.ndarray:
    return imread(path)[..., :3]


def coloured(picture: np.ndarray) -> int:
    """Count pixels left of the colour bar that are not grey: a difference that is not zero."""
    cells = picture[60:-60, :-130]
    return int((np.ptp(cells, axis=2) > 0.1).sum())


def test_a_copy_shows_no_difference_and_a_stranger_does(show) -> None:
    assert coloured(pixels(show("copy", (volume(1), volume(1))))) == 0
    assert coloured(pixels(show("stranger", (volume(1), volume(2))))) > 1000


def test_a_shifted_copy_is_moved_back(show) -> None:
    box = np.full((20, 16, 12), -1000, np.int16)
    box[6:14, 5:11, 4:8] = 200
    aside = Volume(np.roll(box, (2, -1, 1), axis=(0, 1, 2)))
    assert coloured(pixels(show("aside", (aside, Volume(box))))) == 0


def test_the_training_volume_stands_left_of_the_sample(show) -> None:
    black, white = (Volume(np.full((20, 16, 12), hu, np.int16)) for hu in (-1000, 1000))

    def first_white(path: Path) -> int:
        picture = pixels(path)
        return int(np.argmax(picture[picture.shape[0] // 2].mean(axis=1) > 0.99))

    assert first_white(show("black", (black, white))) < first_white(show("white", (white, black)))


def test_the_four_closest_are_shown_and_the_same_bytes_again(show) -> None:
    pairs = [(volume(seed), volume(seed + 1)) for seed in range(6)]
    first = show("first", *pairs).read_bytes()
    assert first == show("four", *pairs[:4]).read_bytes()
    assert first != show("other", *pairs, ncc=0.5).read_bytes()


def test_without_a_table_nothing_is_drawn(tmp_path, result) -> None:
    with pytest.raises(Unavailable):
        draw(Measured(result, None, None), tmp_path / "none.png")
