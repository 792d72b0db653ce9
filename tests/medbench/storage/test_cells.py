"""What a spreadsheet would take for a formula."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from medbench.storage.cells import neutral, neutral_table, plain


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-1+2", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_neutral_and_comes_back(cell: str) -> None:
    assert neutral(cell) == f"'{cell}"
    assert plain(neutral(cell)) == cell


@pytest.mark.parametrize("cell", ["-4.5", "-1e-3", "+2", -4.5, None, "odd vessels", "'tis", "a=b", ""])
def test_all_else_stays(cell: object) -> None:
    assert neutral(cell) == cell
    if isinstance(cell, str):
        assert plain(cell) == cell


def test_headings_and_text_of_a_table_are_neutral_and_its_numbers_are_numbers() -> None:
    table = pd.DataFrame({"id": ["=cmd", "case"], "-dsc": [-0.5, 1.0], "n": [1, 2]})
    written = pd.read_csv(io.StringIO(neutral_table(table).to_csv(index=False)))
    assert list(written) == ["id", "'-dsc", "n"]
    assert written["id"].tolist() == ["'=cmd", "case"]
    assert written["'-dsc"].tolist() == [-0.5, 1.0]
