import runpy
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from medbench.audit import figure
from medbench.audit.figure import draw, seen, title
from medbench.audit.ladder import AuditReport, AuditRow
from medbench.storage.files import write_json


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


def test_every_cell_has_numbers_on_both_axes(
    report: AuditReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr("medbench.audit.figure.save", lambda figure, path: drawn.append(figure))
    draw(report, tmp_path / "audit.png")
    cells = drawn[0].axes
    assert len(cells) == 4
    for cell in cells:
        across, up = ([label.get_text() for label in axis.get_ticklabels()] for axis in (cell.xaxis, cell.yaxis))
        assert across in (["0", "10", "20"], ["0", "0.5", "1"])
        assert up == ["1", "3"]  # between 1 and 3, the limit of 2 included


@pytest.mark.parametrize(("largest", "written"), [(164.2, "164"), (96.4, "96"), (3e-4, "3e-4"), (0.0, "0")])
def test_numbers_beside_a_cell_are_short(report: AuditReport, largest: float, written: str) -> None:
    _, words = figure._range(replace(report.rows[0], values=(-1.0, largest, largest), limit=None))
    assert words == ["-1", written]


def test_kinds_have_titles() -> None:
    assert [title(kind) for kind in ("hu_shift", "mode_collapse")] == ["HU shift", "mode collapse"]


def test_the_docs_page_gets_a_line_a_damage_between_its_marks(report: AuditReport, tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs"
    script = runpy.run_path(str(docs / "make_audit_page.py"))
    assert all((docs / "audit.md").read_text(encoding="utf-8").count(script[mark]) == 1 for mark in ("BEGIN", "END"))
    write_json(tmp_path / "audit.json", asdict(report))
    draw(report, tmp_path / "figures" / "audit.png")
    page = tmp_path / "page.md"
    page.write_text(f"above\n{script['BEGIN']}\nold\n{script['END']}\nbelow\n", encoding="utf-8")
    for _ in range(2):
        script["write"](tmp_path, page)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[:6] == ["above", script["BEGIN"], "", "4 held-out volumes.", "", "| damage | strengths | fid | rvr |"]
    assert lines[7].endswith("| from 20 (+1.0) | never |")
    assert lines[8].endswith("| reversed from 0.5 (-0.9) | from 0.5 (+0.4) |")
    assert lines[10] == "- fid is blind to none of these; prefers to real volumes: mode collapse."
    assert lines[11:] == [
        "- rvr does not see: noise.",
        "",
        "- downstream left out: not here",
        "",
        script["END"],
        "below",
    ]
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_equal_reports_make_equal_figures(report: AuditReport, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(report, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
