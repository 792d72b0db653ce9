from pathlib import Path

import pytest

from medbench.audit.figure import draw, seen, title
from medbench.audit.ladder import AuditReport, AuditRow
from medbench.audit.words import BEGIN, END, markdown, require_page, write_page
from medbench.errors import SpecError


def row(
    metric: str, damage: str, correlation: float | None, detected: float | None, reversed_from: float | None = None
) -> AuditRow:
    unit, strengths = ("HU", (0.0, 10.0, 20.0)) if damage == "noise" else ("share", (0.0, 0.5, 1.0))
    return AuditRow(
        metric=metric,
        damage=damage,
        strengths=strengths,
        values=(1.0, None, 3.0),
        rank_correlation=correlation,
        detected_from=detected,
        reversed_from=reversed_from,
        unit=unit,
        better="lower",
        limit=2.0,
        limit_how="made up",
    )


@pytest.fixture
def report() -> AuditReport:
    rows = [row("fid", "noise", 1.0, 20.0), row("fid", "mode_collapse", -0.9, None, 0.5)]
    rows += [row("rvr", "noise", None, None), row("rvr", "mode_collapse", 0.4, 0.5)]
    return AuditReport(rows, {"downstream": "not here"}, "4 held-out volumes")


def test_a_metric_that_gets_better_with_damage_is_told_from_a_blind_one(report: AuditReport) -> None:
    assert [seen(one) for one in report.rows] == ["from 20", "reversed from 0.5", "never", "from 0.5"]


def test_kinds_have_titles() -> None:
    assert [title(kind) for kind in ("hu_shift", "mode_collapse")] == ["HU shift", "mode collapse"]


def test_the_table_has_a_line_a_damage_and_names_what_was_left_out(report: AuditReport) -> None:
    lines = markdown(report).splitlines()
    assert lines[0] == "4 held-out volumes."
    assert lines[2] == "| damage | strengths | fid | rvr |"
    assert lines[4].startswith("| noise (")
    assert lines[4].endswith("| from 20 (+1.0) | never |")
    assert lines[5].endswith("| reversed from 0.5 (-0.9) | from 0.5 (+0.4) |")
    assert lines[7] == "- fid is blind to none of these; prefers to real volumes: mode collapse."
    assert lines[8] == "- rvr does not see: noise."
    assert lines[-1] == "- downstream left out: not here"


def test_only_what_lies_between_the_marks_changes(report: AuditReport, tmp_path: Path) -> None:
    page = tmp_path / "audit.md"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n", encoding="utf-8")
    write_page(page, report)
    once = page.read_text(encoding="utf-8")
    assert once.startswith(f"above\n{BEGIN}\n\n4 held-out")
    assert once.endswith(f"{END}\nbelow\n")
    assert "old" not in once
    write_page(page, report)
    assert page.read_text(encoding="utf-8") == once


@pytest.mark.parametrize("text", [None, "no marks", f"{END}\n{BEGIN}"])
def test_a_page_without_marks_is_left_alone(text: str | None, report: AuditReport, tmp_path: Path) -> None:
    page = tmp_path / "audit.md"
    if text is not None:
        page.write_text(text, encoding="utf-8")
    for refuse in (lambda: require_page(page), lambda: write_page(page, report)):
        with pytest.raises(SpecError, match="is no page for an audit"):
            refuse()
    assert not page.exists() if text is None else page.read_text(encoding="utf-8") == text


def test_equal_reports_make_equal_figures(report: AuditReport, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(report, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
