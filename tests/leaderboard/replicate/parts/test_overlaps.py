from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.overlaps import Overlap, Overlaps
from leaderboard.reported.rows import ReportedRow
from medbench.progress import silent
from medbench.records.results import Result

PART = Overlaps(
    kind="overlaps",
    id="table-2",
    title="overlaps",
    structures={"Lung": ("lung_left", "lung_right"), "Aorta": ("aorta",)},
    overlaps=(
        Overlap(title="steered", run="steered", metric="adherence", reported="conditional_DSC"),
        Overlap(
            title="real", run="trained", metric="downstream", rows=("training_set", "real"), reported="DSC_train_real"
        ),
    ),
)


def test_a_structure_counts_with_the_mean_of_its_regions_in_each_case(
    finish: Callable[..., Finished],
    found: Callable[..., Findings],
    make_result: Callable[..., Result],
    told: Callable[..., ReportedRow],
) -> None:
    rows = [
        {"id": str(case), "subject": str(case), "mask": str(case), "region": region, "dsc": dsc}
        for case, lungs in enumerate([(0.8, 0.9), (0.9, 1.0), (0.6, 0.7)])
        for region, dsc in zip(("lung_left", "lung_right"), lungs)
    ]
    steered = finish(
        "alpha",
        make_result("adherence", 0.9, table="tables/adherence.csv"),
        kind="steered",
        tables={"adherence": pd.DataFrame(rows)},
    )
    arms = [
        {"case": str(case), "subject": str(case), "region": "aorta", "training_set": arm, "dsc": value + case / 100}
        for case in range(3)
        for arm, value in (("real", 0.7), ("synthetic", 0.3))
    ]
    trained = finish(
        "alpha",
        make_result("downstream", 0.3, table="tables/downstream.csv"),
        kind="trained",
        tables={"downstream": pd.DataFrame(arms)},
    )
    reported = [told("Alpha", "conditional_DSC", 0.98, spread=0.0, n=88, structure="Lung")]
    findings = found(reported=reported, by_kind={"steered": [steered], "trained": [trained]})
    (table,) = PART.make(findings, silent).tables
    assert {row.name: row.cells for row in table.rows} == {
        "steered, alpha": ("0.850 (0.150)", "-"),
        "steered, SET as reported": ("0.98 (0)", "-"),
        "real, alpha": ("-", "0.710 (0.0100)"),
    }
    assert [row.reported for row in table.rows] == [False, True, False]
    assert {(record["origin"], record["n"]) for record in table.records} == {("measured", 3), ("reported", 88)}


def test_what_was_not_run_is_said(found: Callable[..., Findings]) -> None:
    shown = PART.make(found(), silent)
    assert shown.tables == ()
    assert shown.notes == ("steered: nothing was measured here", "real: nothing was measured here")
