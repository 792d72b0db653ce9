"""The figure of an audit: one small curve a metric and kind of damage, on a ground that says from when it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medbench.audit.ladder import AuditReport, AuditRow
from medbench.drawing.style import INK, QUIET, save
from medbench.drawing.text import ARROWS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LIMIT: Final = "#B5540A"
# The earlier damage is seen, the deeper the blue; white: never. Warm: the damaged set scores better than real volumes.
_SEEN: Final = ("#5A9FCB", "#82BADB", "#A9CFE5", "#CCE1F0", "#E6F0F8")
_REVERSED: Final = "#FBE3CF"
_PLAIN: Final = 0.001  # smaller numbers take too much room as they are


def seen(row: AuditRow) -> str:
    """Say from when a metric sees damage: ``from 20``, ``never``, ``reversed from 40`` where it scores better by it."""
    if row.detected_from is not None:
        return f"from {row.detected_from:g}"
    return "never" if row.reversed_from is None else f"reversed from {row.reversed_from:g}"


def title(kind: str) -> str:
    """Return a kind of damage as words: ``hu_shift`` becomes ``HU shift``."""
    return label(kind).replace("hu ", "HU ")


def draw(report: AuditReport, path: Path) -> None:
    """Draw the report's rows as a grid, metrics down and kinds of damage across.

    Args:
        report: with one row or more.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(row.metric for row in report.rows))
    kinds = list(dict.fromkeys(row.damage for row in report.rows))
    figure = Figure(figsize=(2.0 + 1.75 * len(kinds), 1.5 + 1.2 * len(metrics)))
    axes = figure.subplots(len(metrics), len(kinds), squeeze=False)
    cells = {(row.metric, row.damage): row for row in report.rows}
    for line, metric in enumerate(metrics):
        for column, kind in enumerate(kinds):
            row, cell = cells[metric, kind], axes[line][column]
            _cell(cell, row, last=line == len(metrics) - 1)
            if line == 0:
                cell.set_title(title(kind).replace(" ", "\n"), fontsize=9, color=INK)
            if column == 0:
                cell.set_ylabel(
                    f"{metric} {ARROWS[row.better]}", fontsize=9, color=INK, rotation=0, ha="right", va="center",
                    labelpad=14,
                )  # fmt: skip
    _words(figure, report)
    save(figure, path)


def _cell(cell: Axes, row: AuditRow, *, last: bool) -> None:
    places = range(len(row.strengths))
    known = [(place, value) for place, value in zip(places, row.values) if value is not None]
    cell.plot(*zip(*known), color=INK, linewidth=1.2, marker="o", markersize=2.5)
    if row.limit is not None:
        cell.axhline(row.limit, color=_LIMIT, linewidth=0.8, linestyle=(0, (3, 2)))
    cell.set_facecolor(_ground(row))
    said = seen(row)
    cell.set_xlabel(
        f"{said}\n[{row.unit}]" if last else said,
        fontsize=7.5,
        color=INK if last or row.detected_from is not None else QUIET,
        labelpad=2,
    )
    cell.set_xticks(list(places), [f"{strength:g}" for strength in row.strengths], fontsize=6, color=QUIET)
    cell.set_yticks(*_range(row), fontsize=6, color=QUIET)
    cell.tick_params(length=2, pad=1.5, color="#c5cbd3")
    cell.margins(x=0.08, y=0.18)
    cell.spines[:].set_color("#c5cbd3")


def _range(row: AuditRow) -> tuple[list[float], list[str]]:
    """Return the smallest and the largest number that a cell shows, and how they are written."""
    drawn = [value for value in (*row.values, row.limit) if value is not None]
    ends = sorted({min(drawn), max(drawn)})
    return ends, [_short(end) for end in ends]


def _short(number: float) -> str:
    if abs(number) >= 100:  # of which two digits would take an exponent
        return f"{number:.0f}"
    return f"{number:.2g}" if abs(number) >= _PLAIN or not number else f"{number:.0e}".replace("e-0", "e-")


def _ground(row: AuditRow) -> str:
    if row.reversed_from is not None:
        return _REVERSED
    if row.detected_from is None:
        return "white"
    place: Sequence[float] = row.strengths[1:]
    return _SEEN[min(place.index(row.detected_from), len(_SEEN) - 1)]


def _words(figure: Figure, report: AuditReport) -> None:
    words = (
        "Curve: value at rising strength, undamaged first; smallest and largest number at the left. "
        "Dashed: what undamaged real volumes reach.\n"
        "Blue: detected, the deeper the earlier. White: never. Orange: better than real volumes."
    )
    figure.text(0.01, 0.012, f"{report.about}\n{words}", fontsize=7, color=QUIET, va="bottom")
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=1.75 / width, right=1 - 0.12 / width, top=1 - 0.5 / height, bottom=1.05 / height, hspace=0.5, wspace=0.32
    )
