from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from leaderboard.replicate.base import Findings, Finished, Row, Shown, Table
from leaderboard.replicate.output import Shelf, csv_text, latex_text, write
from leaderboard.replicate.paper import load_paper
from medbench.datasets.base import Check

TABLE = Table(
    name="t",
    columns=("model", "here", "SET, reported"),
    groups=(("FID_2.5D", 2),),
    rows=(Row("a&b", ("1.0", "-")), Row("real", ("0.1", "0.2"), reported=True)),
    records=({"model": "=HYPERLINK(1)", "value": -1.5, "low": None}, {"model": "@b", "value": 2, "low": 0.1}),
)


def test_numbers_stay_numbers_and_no_cell_is_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(TABLE))))
    assert rows == [["model", "value", "low"], ["'=HYPERLINK(1)", "-1.5", ""], ["'@b", "2", "0.1"]]


def test_latex_is_booktabs_with_escaped_names() -> None:
    text = latex_text(TABLE)
    assert r"\multicolumn{2}{c}{FID\_2.5D}" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"a\&b & 1.0 & - \\" in text
    assert r"\textit{real} & \textit{0.1} & \textit{0.2} \\" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


@pytest.mark.slow
def test_latex_sets_the_table_without_complaint(typeset: Callable[..., str]) -> None:
    assert typeset(latex_text(TABLE), packages=("booktabs",)) == ""


def test_a_table_without_records_is_empty() -> None:
    assert csv_text(Table("t", ("a",), (), ())).strip() == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_can_be_read_by_everybody(
    width: int,
    finish: Callable[..., Finished],
    found: Callable[..., Findings],
    visit: Callable[..., Any],
    accessible: Callable[[Any], None],
) -> None:
    """In a browser, on a phone too; names from elsewhere stay text."""
    paper = load_paper("medlord")
    name, settings = paper.track("luna")
    absent = [Check(check="data <b>luna</b>", ok=False, detail="<script>alert(1)</script>", mend="fetch it")]
    parts = [(part, Shown(tables=(TABLE,), notes=("<i>why</i>",))) for part in paper.parts]
    page = visit(
        write(Shelf(paper, name, settings, found(finish("alpha")), absent, parts, "medbench replicate")).as_uri(),
        width=width,
    )
    assert page.get_by_text("<script>alert(1)</script>").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    accessible(page)
