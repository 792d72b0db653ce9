"""A value in a table of the page: with its place, a line that shows its interval and floor, and the interval's ends.

A page has thousands of them, so that they are made here and not by the template.
"""

from __future__ import annotations

from html import escape

from leaderboard.ranking.rows import Standing
from leaderboard.views import cells
from medbench.drawing.text import interval, number

Axis = tuple[float, float]
"""Both ends of the line on which all values of a column are drawn."""


def cell(one: Standing, axis: Axis) -> str:
    """Return what stands in a value's cell, as HTML.

    Args:
        one: the value.
        axis: of its column.
    """
    value = f'<span class="value"><data value="{one.value}">{number(one.value)}</data></span>'
    ends = f'<span class="below ends">{interval(one.ci95)}</span>' if one.ci95 else ""
    return f"<span>{value} {_place(one)}</span>{_line(one, axis)}{ends}"


def _place(one: Standing) -> str:
    if one.rank is None:
        return f'<span class="place none" title="{escape(one.unranked or "")}">not ranked</span>'
    first = " first" if one.rank == 1 else ""
    return f'<span class="place{first}"><span class="hidden">place </span>{cells.places(one.rank_ci95)}</span>'


def _line(one: Standing, axis: Axis) -> str:
    start, end = axis

    def at(x: float) -> float:
        return round(4 + 92 * (x - start) / (end - start), 1) if end > start else 50.0

    drawn = ['<line class="axis" x1="0" y1="7" x2="100" y2="7"/>']
    if one.ci95:
        drawn.append(f'<line class="range" x1="{at(one.ci95[0])}" y1="7" x2="{at(one.ci95[1])}" y2="7"/>')
    if one.floor is not None:
        drawn.append(f'<line class="floor" x1="{at(one.floor)}" y1="1" x2="{at(one.floor)}" y2="13"/>')
    drawn.append(f'<line class="dot" x1="{at(one.value)}" y1="2.5" x2="{at(one.value)}" y2="11.5"/>')
    box = 'class="line" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true"'
    return f"<svg {box}>{''.join(drawn)}</svg>"
