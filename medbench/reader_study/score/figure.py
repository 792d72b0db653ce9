"""The figure of a rating study: for each criterion, what share of a source's ratings got which answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.drawing.style import INK, QUIET, RULE, quiet, save
from medbench.drawing.text import label
from medbench.reader_study.criteria import Criterion
from medbench.reader_study.score.criteria import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From vermilion to blue over grey, which colour-blind readers tell apart; the best answer is blue.
_WORST, _MIDDLE, _BEST = np.array([[213, 94, 0], [232, 234, 237], [0, 114, 178]]) / 255
_ROW: Final = 0.34  # inches
_ACROSS: Final = 2


def draw(
    criteria: Sequence[Criterion], standings: Mapping[str, Mapping[str, Standing]], path: Path, *, about: str
) -> None:
    """Draw one panel a criterion and one bar a source; beside each bar the share of the best answer.

    Args:
        criteria: in the order of the panels.
        standings: criterion -> source -> ratings.
        path: the PNG file to write.
        about: the line under the figure.
    """
    from matplotlib.figure import Figure

    shown = [criterion for criterion in criteria if standings.get(criterion.id)]
    rows = max(len(standings[criterion.id]) for criterion in shown)
    lines = -(-len(shown) // _ACROSS)
    panel = _ROW * rows + 0.95
    figure = Figure(figsize=(12.0, panel * lines + 0.35), facecolor="white")
    axes = np.atleast_1d(figure.subplots(lines, min(_ACROSS, len(shown)), squeeze=False)).ravel()
    for cell, criterion in zip(axes, shown):
        _panel(cell, criterion, standings[criterion.id])
    for cell in axes[len(shown) :]:
        cell.set_axis_off()
    height = figure.get_size_inches()[1]
    figure.text(0.012, 0.08 / height, about, fontsize=7, color=QUIET, va="bottom")
    figure.subplots_adjust(
        left=0.1, right=0.9, top=1 - 0.4 / height, bottom=0.75 / height, wspace=0.6, hspace=0.95 / (panel - 1.0)
    )
    save(figure, path)


def _panel(axes: Axes, criterion: Criterion, standings: Mapping[str, Standing]) -> None:
    colours = _colours(len(criterion.values))
    for place, standing in enumerate(standings.values()):
        left = 0.0
        for share, colour in zip(np.array(standing.counts) / standing.n, colours):
            axes.barh(place, 100 * share, left=left, height=0.72, color=colour, edgecolor="white", linewidth=0.8)
            if share >= 0.08:
                ink = "white" if np.mean(colour) < 0.55 else INK
                axes.text(
                    left + 50 * share, place, f"{100 * share:.0f}", fontsize=7, color=ink, ha="center", va="center"
                )
            left += 100 * share
        low, high = standing.ci95
        axes.text(
            102, place, f"{100 * standing.share:.0f} % [{100 * low:.0f}, {100 * high:.0f}]", fontsize=7, color=QUIET,
            va="center",
        )  # fmt: skip
    axes.set_yticks(range(len(standings)), [f"{name}  (n = {one.n})" for name, one in standings.items()])
    axes.set_ylim(len(standings) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    quiet(axes)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_title(label(criterion.id), loc="left", fontsize=10, color=INK)
    _legend(axes, criterion, colours)


def _legend(axes: Axes, criterion: Criterion, colours: Sequence[tuple[float, float, float]]) -> None:
    from matplotlib.patches import Patch

    ordered = criterion.values[::-1] if criterion.kind in ("realism", "choice") else criterion.values
    handles = [Patch(color=colour, label=value) for value, colour in zip(ordered, colours)]
    legend = axes.legend(
        handles=handles, ncols=len(handles), loc="upper left", bbox_to_anchor=(-0.01, -0.13), fontsize=7, frameon=False,
        handlelength=1.0, columnspacing=1.0, labelcolor=QUIET,
    )  # fmt: skip
    legend.get_frame().set_edgecolor(RULE)


def _colours(count: int) -> list[tuple[float, float, float]]:
    places = np.linspace(-1, 1, count)
    ends = [_WORST if place < 0 else _BEST for place in places]
    mixed = (_MIDDLE + abs(place) * (end - _MIDDLE) for place, end in zip(places, ends))
    return [(red, green, blue) for red, green, blue in (colour.tolist() for colour in mixed)]
