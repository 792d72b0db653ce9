from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.reported.rows import ReportedRow
from medbench.records.results import Skipped


def test_the_papers_models_come_first_in_its_order(
    finish: Callable[..., Finished], found: Callable[..., Findings]
) -> None:
    findings = found(finish("another"), finish("beta"))
    assert findings.models("samples") == ["alpha", "beta", "another"]
    assert findings.of("no such kind") == {}


def test_reported_rows_go_by_the_papers_own_names(
    found: Callable[..., Findings], told: Callable[..., ReportedRow]
) -> None:
    rows = [told("Beta", "FID", 2.0), told("Alpha", "FID", 1.0), told("Alpha", "DSC", 0.5, structure="Lung")]
    findings = found(reported=rows)
    row = findings.reported_row("FID", "SET", "alpha")
    assert row is not None
    assert row.value == 1.0
    assert findings.reported_row("FID", "SET", "another") is None
    assert findings.reported_row("DSC", "SET", None) is None
    assert findings.reported_row("DSC", "SET", None, "Lung") is not None
    assert findings.reported_sets("FID") == ["SET"]


def test_a_run_says_why_it_lacks_a_number(finish: Callable[..., Finished]) -> None:
    run = finish("alpha", skipped=[Skipped(metric="rvr", reason="no masks")])
    assert run.result("rvr") is None
    assert run.why_not("rvr") == "no masks"
    assert run.why_not("hu") == "it was not asked for"
