from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from medbench.drawing import montage as figures
from medbench.drawing.style import save
from medbench.imaging.volume import Volume
from medbench.spec import Window

WIDE, SOFT = Window(low=-1000, high=1000), Window(low=-1000, high=400)

TITLES = ("before", "after", "after − before [HU]")


def volume(shape: tuple[int, int, int] = (20, 16, 12), spacing: tuple[float, float, float] = (1, 1, 2)) -> Volume:
    rng = np.random.default_rng(1)
    return Volume(rng.integers(-1000, 400, shape, dtype=np.int16), np.diag([*spacing, 1.0]))


def is_picture(path: Path) -> bool:
    pixels = imread(path)
    return bool(path.read_bytes().startswith(b"\x89PNG") and pixels.std() > 0.01 and min(pixels.shape[:2]) > 150)


@pytest.mark.parametrize(
    ("index", "towards_left", "towards_top"),
    [((7, 7, 4), True, True), ((1, 7, 4), False, True), ((7, 1, 4), True, False)],
)
def test_the_montage_shows_a_marker_where_a_radiologist_expects_it(
    tmp_path: Path, index: tuple[int, int, int], towards_left: bool, towards_top: bool, marked: Callable[..., Any]
) -> None:
    figures.montage([marked((4, 4, 0))], [], tmp_path / "without.png", window=WIDE)
    figures.montage([marked(index)], [], tmp_path / "with.png", window=WIDE)
    height = imread(tmp_path / "with.png").shape[0]
    axial = slice(0, height // 3 + 20)  # the axial cell is the first of three equal rows
    before, after = (imread(tmp_path / name)[axial, :, 0] for name in ("without.png", "with.png"))
    cell = np.argwhere(after == 0)  # the black of the window, darker than the sheet
    middle_row, middle_column = (cell.min(axis=0) + cell.max(axis=0)) / 2
    row, column = np.argwhere(after - before > 0.5).mean(axis=0)
    assert (column < middle_column) == towards_left
    assert (row < middle_row) == towards_top


def test_the_montage_keeps_proportions_in_mm(tmp_path: Path) -> None:
    thick = Volume(np.full((10, 10, 5), -1000, np.int16), np.diag([1.0, 1.0, 4.0, 1.0]))
    figures.montage([thick], [], tmp_path / "thick.png", window=WIDE)
    pixels = imread(tmp_path / "thick.png")[..., 0]
    black = (pixels == 0).mean(axis=1) > 0.5
    columns = (pixels == 0).mean(axis=0) > 0.5
    axial, coronal = np.split(np.flatnonzero(black), np.flatnonzero(np.diff(np.flatnonzero(black)) > 1) + 1)[:2]
    assert len(axial) == pytest.approx(columns.sum(), abs=3)  # 10 x 10 mm
    assert len(coronal) == pytest.approx(2 * columns.sum(), abs=3)  # 10 x 20 mm


def test_the_montage_takes_up_to_four_of_each_side(tmp_path: Path) -> None:
    four, five = tmp_path / "four.png", tmp_path / "five.png"
    figures.montage([volume()] * 4, [volume()] * 4, four, window=SOFT)
    figures.montage([volume()] * 5, [volume()] * 5, five, window=SOFT)
    assert is_picture(four)
    assert four.read_bytes() == five.read_bytes()
    assert imread(four).shape[1] == pytest.approx(1860, abs=60)


def test_the_montage_shows_volumes_of_several_sizes(tmp_path: Path) -> None:
    figures.montage([volume()], [volume((8, 30, 6))], tmp_path / "mixed.png", window=SOFT)
    assert is_picture(tmp_path / "mixed.png")


def test_a_montage_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no volume"):
        figures.montage([], [], tmp_path / "none.png", window=SOFT)
    assert not list(tmp_path.iterdir())


def test_the_difference_is_signed(tmp_path: Path) -> None:
    flat = Volume(np.zeros((16, 16, 16), np.int16))
    brighter, darker = (Volume(np.full((16, 16, 16), hu, np.int16)) for hu in (30, -30))
    colours = []
    for rebuilt, name in ((brighter, "up.png"), (darker, "down.png")):
        save(figures.difference_sheet([(flat, rebuilt)], TITLES, window=WIDE).figure, tmp_path / name)
        assert is_picture(tmp_path / name)
        colours.append(imread(tmp_path / name)[200, 700, :3])  # within the third cell
    (red_up, _, blue_up), (red_down, _, blue_down) = colours
    assert red_up > blue_up and blue_down > red_down


def test_pairs_without_difference_are_drawn_four_at_most(tmp_path: Path) -> None:
    for count, name in ((4, "four.png"), (6, "six.png")):
        save(figures.difference_sheet([(volume(), volume())] * count, TITLES, window=WIDE).figure, tmp_path / name)
    assert is_picture(tmp_path / "four.png")
    assert (tmp_path / "four.png").read_bytes() == (tmp_path / "six.png").read_bytes()


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="no volume"):
        figures.difference_sheet([], TITLES, window=WIDE)


def test_the_same_input_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        figures.montage([volume()], [volume()], tmp_path / f"{name}.png", window=SOFT)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
