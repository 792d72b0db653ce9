"""The curve over checkpoints: each metric's value with its interval, beside the floor; the choice is marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leaderboard.checkpoints.choice import Choice, Judged
from medbench.drawing.style import INK, QUIET, RULE, SIDES, name_stand_ins, quiet, save
from medbench.drawing.text import direction, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from medbench.records.results import Result

_WIDTH, _HEIGHT = 6.8, 2.5
_MOST_NAMES: Final = 16


def draw(judged: Sequence[Judged], choice: Choice, path: Path) -> None:
    """Draw one panel a metric, the one that decided first.

    Args:
        judged: by step, or in their order.
        choice: what was chosen.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    there = dict.fromkeys(result.metric for one in judged if one.report for result in one.report.results)
    metrics = [choice.metric, *(metric for metric in there if metric != choice.metric)]
    figure = Figure((_WIDTH, _HEIGHT * len(metrics) + 0.5), facecolor="white", layout="constrained")
    panels = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    for axes, metric in zip(panels, metrics):
        _panel(axes, [(place, one, one.result(metric)) for place, one in enumerate(judged)], choice)
    steps = judged[0].checkpoint.step is not None
    panels[-1].set_xlabel("step" if steps else "checkpoint", fontsize=9, color=QUIET)
    if not steps:
        every = -(-len(judged) // _MOST_NAMES)
        names = [one.checkpoint.name for one in judged]
        panels[-1].set_xticks(range(0, len(names), every), names[::every], rotation=30, ha="right", fontsize=8)
    found = [result for one in judged if one.report for result in one.report.results]
    name_stand_ins(figure, sorted({name for result in found for name in result.stand_ins}))
    save(figure, path)


def _panel(axes: Axes, points: Sequence[tuple[int, Judged, Result | None]], choice: Choice) -> None:
    colour, floor_colour = SIDES["synthetic"][1], SIDES["held_out"][1]
    shown = [(place if one.checkpoint.step is None else one.checkpoint.step, one, r) for place, one, r in points if r]
    axes.plot([x for x, *_ in shown], [r.value for *_, r in shown], "-", color=colour, lw=1.2, alpha=0.6)
    for x, one, result in shown:
        chosen = one.checkpoint.name == choice.checkpoint.name and result.metric == choice.metric
        if result.ci95 is not None:
            axes.plot((x, x), result.ci95, color=colour, lw=3, alpha=0.35, solid_capstyle="round")
        axes.plot(x, result.value, "o", color=colour, ms=9 if chosen else 5, mec=INK if chosen else colour, zorder=3)
        if chosen:
            label = f"chosen: {number(result.value)}"
            axes.annotate(
                label, (x, result.value), (0, 12), textcoords="offset points", ha="center", fontsize=8, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5}, zorder=4,
            )  # fmt: skip
    floors = [(x, result.floor) for x, _, result in shown if result.floor is not None]
    if floors:
        axes.plot(*zip(*floors), "--", color=floor_colour, lw=1, label="floor: real against real")
        axes.legend(loc="upper right", frameon=False, fontsize=8, labelcolor=INK)
    quiet(axes)
    axes.grid(axis="y", color=RULE, lw=0.7)
    axes.margins(y=0.18)
    if all(min((result.value, *(result.ci95 or ()))) >= 0 for *_, result in shown):
        axes.set_ylim(bottom=0)
    first = shown[0][2]
    unit = f" [{first.unit}]" if first.unit else ""
    axes.set_title(f"{first.metric}{unit}   {direction(first.better)}", fontsize=9, color=INK, loc="left")
