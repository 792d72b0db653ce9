"""A value's cell: the place, a line to the column's scale, and no markup from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from leaderboard.views.page.cell import cell


def test_the_line_is_drawn_to_the_columns_scale(board: Any) -> None:
    one = replace(board.contests[0].standings[0], value=2.0, ci95=(1.0, 3.0), floor=0.0, rank=1, rank_ci95=(1, 2))
    text = cell(one, (0.0, 4.0))
    at = {kind: ends for kind, *ends in re.findall(r'class="(\w+)" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', text)}
    assert (at["floor"], at["range"], at["dot"]) == (["4.0", "4.0"], ["27.0", "73.0"], ["50.0", "50.0"])
    assert '<data value="2.0">2.00</data>' in text and "[1.00, 3.00]" in text
    assert re.search(r'class="place first".*>1-2<', text)
    alone = cell(replace(one, ci95=None, floor=None), (2.0, 2.0))
    assert "range" not in alone and 'class="floor"' not in alone and 'x1="50.0"' in alone


def test_why_a_run_is_not_ranked_stays_text(board: Any) -> None:
    one = replace(board.contests[0].standings[0], rank=None, unranked='"><script>')
    assert 'title="&quot;&gt;&lt;script&gt;">not ranked' in cell(one, (0.0, 4.0))
