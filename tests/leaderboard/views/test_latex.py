r"""The tables as a paper would take them: rows and columns fit, and a real LaTeX sets them.

What needs LaTeX is skipped without it; the form of the tables is looked at everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from leaderboard.views.latex import latex_text


def test_every_row_has_a_cell_a_column(board: Any) -> None:
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", latex_text([board]), re.DOTALL)
    assert len(tables) == 2, "what was measured, and what others reported"
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 4
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}


@pytest.mark.slow
def test_latex_sets_the_tables_without_complaint(board: Any, typeset: Callable[..., str]) -> None:
    assert typeset(latex_text([board]), packages=("booktabs", "graphicx")) == ""
