from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.scores import Score, Scores
from leaderboard.reported.rows import ReportedRow
from medbench.progress import silent
from medbench.records.results import Result, Skipped


def part(*scores: Score) -> Scores:
    return Scores(kind="scores", id="table-1", title="scores", run="samples", scores=scores)


FID = Score(title="FID", metric="fid25d", reported="FID")
PSNR = Score(title="PSNR", metric="reconstruction", part="psnr", reported="PSNR")


def test_measured_reported_and_floor_stand_side_by_side(
    finish: Callable[..., Finished],
    found: Callable[..., Findings],
    make_result: Callable[..., Result],
    told: Callable[..., ReportedRow],
) -> None:
    reported = [told("Alpha", "FID", 3.62, n=88), told("Beta", "FID", 5.0), told("Real", "FID", 0.28)]
    runs = [finish("alpha", make_result("fid25d", 2.5, ci95=(2.0, 3.0), floor=0.4)), finish("gamma")]
    shown = part(FID).make(found(*runs, reported=reported), silent)
    (table,) = shown.tables
    assert table.columns == ("model", "here", "95 % interval", "SET, reported")
    assert {row.name: row.cells for row in table.rows} == {
        "alpha": ("2.50", "[2.00, 3.00]", "3.62"),
        "beta": ("-", "-", "5"),
        "real": ("0.400", "-", "0.28"),
    }
    assert shown.notes == ("gamma, fid25d: it was not asked for",)
    origins = [(record["model"], record["origin"], record["value"]) for record in table.records]
    assert origins[:2] == [("alpha", "measured", 2.5), ("alpha", "reported", 3.62)]


def test_parts_of_a_metric_show_mean_and_spread_or_why_not(
    finish: Callable[..., Finished],
    found: Callable[..., Findings],
    make_result: Callable[..., Result],
    told: Callable[..., ReportedRow],
) -> None:
    result = make_result("reconstruction", 32.0, parts={"psnr": {"mean": 32.4, "std": 0.323}})
    skipped = [Skipped(metric="reconstruction.lpips", reason="no weights")]
    lpips = PSNR.model_copy(update={"title": "LPIPS", "part": "lpips", "reported": "LPIPS"})
    reported = [told("Alpha", "PSNR", 40.634, spread=7.22)]
    shown = part(PSNR, lpips).make(found(finish("alpha", result, skipped=skipped), reported=reported), silent)
    (table,) = shown.tables
    assert table.groups == (("PSNR", 3), ("LPIPS", 2))
    assert table.rows[0].cells == ("32.4", "0.323", "40.634 (7.22)", "-", "-")
    assert shown.notes == ("alpha, LPIPS: no weights",)
