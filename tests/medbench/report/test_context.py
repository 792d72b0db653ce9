from __future__ import annotations

import pandas as pd
import pytest

from medbench.records.results import Result
from medbench.report import context


def test_the_glance_begins_at_zero_and_ends_at_the_largest(fid: Result) -> None:
    placed = context.glance(fid.model_copy(update={"value": 2.0, "ci95": (1.0, 4.0), "floor": 0.0}))
    assert placed == {"value": 50.0, "low": 25.0, "high": 100.0, "floor": 0.0}


def test_the_glance_bears_negative_values_and_nothing_but_zero(fid: Result) -> None:
    placed = context.glance(fid.model_copy(update={"value": -1.0, "ci95": None, "floor": 1.0}))
    assert placed == {"value": 0.0, "low": None, "high": None, "floor": 100.0}
    assert context.glance(fid.model_copy(update={"value": 0.0, "ci95": None, "floor": None})) is None


def test_parts_that_share_most_figures_stand_in_one_table() -> None:
    region = {"wasserstein": 1.0, "ks": 2.0, "overlap": 3.0}
    overall = {"wasserstein": 4.0, "joint": 5.0, "more": 6.0}
    tables = context.part_tables({"a": region, "b": {**region, "ml": 7.0}, "overall": overall, "xy": 1.0})
    assert [(columns, list(rows)) for columns, rows in tables] == [
        (["wasserstein", "ks", "overlap", "ml"], ["a", "b"]),
        (["wasserstein", "joint", "more"], ["overall"]),
    ]


def test_a_table_is_summarised_by_region_and_side() -> None:
    table = pd.DataFrame(
        {
            "side": ["real", "real", "real", "synthetic"],
            "id": [1, 2, 3, 4],
            "region": "lung",
            "ratio": [1.0, 2.0, 3.0, float("nan")],
        }
    )
    summary = context.summary(table)
    assert (summary["count"], summary["by"], summary["columns"]) == (4, ["region", "side"], ["ratio"])
    assert summary["groups"] == [(("lung", "real"), 3, [(2.0, 1.5, 2.5)]), (("lung", "synthetic"), 1, [None])]


@pytest.mark.parametrize("keys", [0, 200])
def test_a_table_without_groups_or_with_too_many_is_still_summarised(keys: int) -> None:
    table = pd.DataFrame({"psnr": [30.0] * 200} | ({"region": range(keys)} if keys else {}))
    summary = context.summary(table)
    assert summary["count"] == 200
    assert len(summary["groups"]) == (0 if keys else 1)
