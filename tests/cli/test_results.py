"""The terminal's table of results."""

import io
from pathlib import Path

from rich.console import Console

from cli.results import print_report
from cli.session import Session
from medbench.records.results import Report

STORED = Path(__file__).parents[1] / "data" / "results_schema1.json"


def _session(text: io.StringIO, *, width: int) -> Session:
    ui = Session(as_json=False, quiet=True)
    ui.out = Console(file=text, width=width)
    return ui


def test_no_number_is_cut_off_however_narrow_the_terminal() -> None:
    report = Report.read(STORED)
    text = io.StringIO()
    print_report(_session(text, width=20), report)
    for result in report.results:
        [line] = [line for line in text.getvalue().splitlines() if line.startswith(f"{result.metric} ") and "/" in line]
        assert result.fingerprint in line and f"{result.value:.4g}" in line
        assert "…" not in line


def test_where_nothing_was_computed_it_says_so_in_place_of_an_empty_table() -> None:
    text = io.StringIO()
    print_report(_session(text, width=80), Report.read(STORED).model_copy(update={"results": []}))
    assert "no number could be computed" in text.getvalue()
    assert "fingerprint" not in text.getvalue()
