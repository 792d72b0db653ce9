import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from medbench.drawing.style import SIDES
from medbench.errors import Unavailable
from medbench.metrics.adherence.figure import draw
from medbench.metrics.base import Measured
from medbench.records.results import Result


@pytest.fixture
def adherence(result) -> Result:
    figures = {"median": 0.9, "ceiling_median": 0.95, "shuffled_median": 0.4}
    parts = {"lung_left": figures, "aorta": {"median": 0.7}, "overall": {"median": 0.8}}
    return result.model_copy(update={"better": "higher", "parts": parts})


def overlaps(count: int, regions: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = ["lung_left", "aorta", *(f"region_{index}" for index in range(regions))][:regions]
    rows = [(f"s{i}", region, dsc) for region in names for i, dsc in enumerate(rng.uniform(0.6, 0.95, count))]
    return pd.DataFrame(rows, columns=["id", "region", "dsc"])


def pixels_of(path, side: str) -> int:
    """Count the pixels that bear a side's colour."""
    return int((np.abs(imread(path)[..., :3] - to_rgb(SIDES[side][1])).max(axis=2) < 0.02).sum())


@pytest.mark.parametrize(("count", "regions"), [(1, 1), (16, 2), (120, 14)])
def test_overlaps_are_drawn_for_any_number_of_samples_and_regions(
    tmp_path, adherence, is_picture, count: int, regions: int
) -> None:
    draw(Measured(adherence, overlaps(count, regions), None), tmp_path / "overlap.png")
    assert is_picture(tmp_path / "overlap.png")


def test_ceiling_and_shuffled_masks_are_drawn_where_they_are_known(tmp_path, adherence) -> None:
    bare = adherence.model_copy(update={"parts": {"lung_left": {"median": 0.9}, "aorta": {"median": 0.7}}})
    for one, name in ((adherence, "with"), (bare, "without")):
        draw(Measured(one, overlaps(16), None), tmp_path / f"{name}.png")
    assert pixels_of(tmp_path / "with.png", "held_out") > 20
    assert pixels_of(tmp_path / "without.png", "held_out") == 0


def test_samples_without_a_figure_and_empty_tables(tmp_path, adherence, is_picture) -> None:
    table = overlaps(8)
    table.loc[0, "dsc"] = np.nan
    draw(Measured(adherence, table, None), tmp_path / "overlap.png")
    assert is_picture(tmp_path / "overlap.png")
    for nothing in (table.assign(dsc=np.nan), None):
        with pytest.raises(Unavailable, match="no sample has a DSC"):
            draw(Measured(adherence, nothing, None), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_same_input_makes_the_same_bytes(tmp_path, adherence) -> None:
    for name in ("first.png", "second.png"):
        draw(Measured(adherence, overlaps(9), None), tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
