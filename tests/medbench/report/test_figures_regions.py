from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from medbench.drawing.style import SIDES
from medbench.records.results import Result
from medbench.report import figures_regions


def is_picture(path: Path) -> bool:
    pixels = imread(path)
    return bool(path.read_bytes().startswith(b"\x89PNG") and pixels.std() > 0.01 and min(pixels.shape[:2]) > 120)


def pixels_of(path: Path, side: str) -> int:
    """Count the pixels that bear a side's colour."""
    return int((np.abs(imread(path)[..., :3] - to_rgb(SIDES[side][1])).max(axis=2) < 0.02).sum())


@pytest.mark.parametrize("regions", [1, 2, 12])
def test_region_ratios_are_drawn_for_any_number_of_regions(tmp_path: Path, ratios: pd.DataFrame, regions: int) -> None:
    lung = ratios[ratios["region"] == "lung_left"]
    table = pd.concat([lung.assign(region=f"region_{index}") for index in range(regions)])
    figures_regions.region_ratios(table, tmp_path / "ratios.png")
    assert is_picture(tmp_path / "ratios.png")


def test_region_ratios_bear_a_missing_region_and_a_missing_side(tmp_path: Path, ratios: pd.DataFrame) -> None:
    table = ratios[(ratios["side"] != "held_out") | (ratios["region"] == "aorta")].copy()
    table.loc[table.index[0], ["voxels", "ratio"]] = 0
    figures_regions.region_ratios(table, tmp_path / "ratios.png", stand_ins=("phantom",))
    assert is_picture(tmp_path / "ratios.png")


def test_region_ratios_of_nothing_are_refused(tmp_path: Path, ratios: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="empty"):
        figures_regions.region_ratios(ratios[:0], tmp_path / "ratios.png")


def test_a_region_that_many_volumes_lack_shapes_no_density(tmp_path: Path, ratios: pd.DataFrame) -> None:
    """Zeros are dots and a note; the density is that of the volumes that have the region."""
    lung = ratios[ratios["region"] == "lung_left"].copy()
    lung.loc[lung["side"] == "real", ["voxels", "ratio"]] = 0
    figures_regions.region_ratios(lung, tmp_path / "ratios.png")
    assert is_picture(tmp_path / "ratios.png")


@pytest.fixture
def adherence(fid: Result) -> Result:
    figures = {"median": 0.9, "ceiling_median": 0.95, "shuffled_median": 0.4}
    parts = {"lung_left": figures, "aorta": {"median": 0.7}, "overall": {"median": 0.8}}
    return fid.model_copy(update={"metric": "adherence", "better": "higher", "parts": parts})


def overlaps(count: int, regions: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = ["lung_left", "aorta", *(f"region_{index}" for index in range(regions))][:regions]
    rows = [(f"s{i}", region, dsc) for region in names for i, dsc in enumerate(rng.uniform(0.6, 0.95, count))]
    return pd.DataFrame(rows, columns=["id", "region", "dsc"])


@pytest.mark.parametrize(("count", "regions"), [(1, 1), (16, 2), (120, 14)])
def test_overlaps_are_drawn_for_any_number_of_samples_and_regions(
    tmp_path: Path, adherence: Result, count: int, regions: int
) -> None:
    figures_regions.region_overlap(overlaps(count, regions), adherence, tmp_path / "overlap.png")
    assert is_picture(tmp_path / "overlap.png")


def test_ceiling_and_shuffled_masks_are_drawn_where_they_are_known(tmp_path: Path, adherence: Result) -> None:
    bare = adherence.model_copy(update={"parts": {"lung_left": {"median": 0.9}, "aorta": {"median": 0.7}}})
    for result, name in ((adherence, "with"), (bare, "without")):
        figures_regions.region_overlap(overlaps(16), result, tmp_path / f"{name}.png")
    assert pixels_of(tmp_path / "with.png", "held_out") > 20
    assert pixels_of(tmp_path / "without.png", "held_out") == 0


def test_samples_without_a_figure_and_empty_tables(tmp_path: Path, adherence: Result) -> None:
    table = overlaps(8)
    table.loc[0, "dsc"] = np.nan
    figures_regions.region_overlap(table, adherence, tmp_path / "overlap.png")
    assert is_picture(tmp_path / "overlap.png")
    with pytest.raises(ValueError, match="empty"):
        figures_regions.region_overlap(table.assign(dsc=np.nan), adherence, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_same_input_makes_the_same_bytes(tmp_path: Path, ratios: pd.DataFrame, adherence: Result) -> None:
    for name in ("first", "second"):
        figures_regions.region_ratios(ratios, tmp_path / name / "r.png")
        figures_regions.region_overlap(overlaps(9), adherence, tmp_path / name / "o.png")
    for file in ("r.png", "o.png"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
