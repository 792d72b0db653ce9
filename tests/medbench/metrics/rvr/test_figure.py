import numpy as np
import pandas as pd
import pytest

from medbench.errors import Unavailable
from medbench.metrics.base import Measured
from medbench.metrics.rvr.figure import draw


@pytest.fixture
def ratios() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"side": side, "id": f"{side}-{index}", "region": region, "voxels": int(1000 * share), "ratio": share}
            for side, count in (("real", 8), ("synthetic", 4), ("held_out", 4))
            for region, centre in (("lung_left", 0.1), ("aorta", 0.01))
            for index, share in enumerate(rng.normal(centre, centre / 10, count))
        ]
    )


@pytest.fixture
def show(result, tmp_path):
    """Draw a table's figure, all of its regions compared; return its path."""

    def drawn(table: pd.DataFrame, name: str = "ratios", *, compared=None):
        parts = {region: {"wasserstein": 0.1} for region in (table["region"] if compared is None else compared)}
        draw(Measured(result.model_copy(update={"parts": parts}), table, None), tmp_path / f"{name}.png")
        return tmp_path / f"{name}.png"

    return drawn


@pytest.mark.parametrize("regions", [1, 2, 12])
def test_ratios_are_drawn_for_any_number_of_regions(show, is_picture, ratios, regions: int) -> None:
    lung = ratios[ratios["region"] == "lung_left"]
    assert is_picture(show(pd.concat([lung.assign(region=f"region_{index}") for index in range(regions)])))


def test_ratios_bear_a_missing_region_and_a_missing_side(show, is_picture, ratios) -> None:
    table = ratios[(ratios["side"] != "held_out") | (ratios["region"] == "aorta")].copy()
    table.loc[table.index[0], ["voxels", "ratio"]] = 0
    assert is_picture(show(table))


def test_only_regions_that_were_compared_are_shown(show, ratios) -> None:
    aorta = ratios[ratios["region"] == "aorta"]
    assert show(ratios, "part", compared=["aorta"]).read_bytes() == show(aorta, "alone").read_bytes()
    with pytest.raises(Unavailable, match="no region was compared"):
        show(ratios, compared=["overall"])


def test_a_region_that_many_volumes_lack_shapes_no_density(show, is_picture, ratios) -> None:
    """Zeros are dots and a note; the density is that of the volumes that have the region."""
    lung = ratios[ratios["region"] == "lung_left"].copy()
    lung.loc[lung["side"] == "real", ["voxels", "ratio"]] = 0
    assert is_picture(show(lung))


def test_the_same_input_makes_the_same_bytes(show, ratios) -> None:
    assert show(ratios, "first").read_bytes() == show(ratios, "second").read_bytes()
