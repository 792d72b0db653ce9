"""The figure of ``fid25d``: its value and that of each plane, beside the floor."""

from __future__ import annotations

from pathlib import Path

from medbench.drawing.style import INK, QUIET, SIDES, name_stand_ins, quiet, save
from medbench.drawing.text import direction, label, number
from medbench.metrics.base import Measured


def draw(measured: Measured, path: Path) -> None:
    """Draw the value with its interval, the values of the planes, and the floor of each.

    Args:
        measured: a result whose parts are single numbers.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    result = measured.result
    parts = {name: figure for name, figure in result.parts.items() if isinstance(figure, (int, float))}
    rows = [("mean", result.value, result.floor)]
    for name, value in parts.items():
        floor = result.floor_parts.get(name)
        rows.append((label(name), value, floor if isinstance(floor, (int, float)) else None))
    height = 1.0 + 0.42 * len(rows)
    figure = Figure((6.4, height), facecolor="white")
    axes = figure.add_axes((1.25 / 6.4, 0.62 / height, 4.7 / 6.4, (height - 1.0) / height))
    colour = SIDES["synthetic"][1]
    for y, (_, value, floor) in enumerate(rows):
        if y == 0 and result.ci95 is not None:
            axes.plot(
                result.ci95, (y, y), color=colour, lw=3.5, alpha=0.4, solid_capstyle="round", label="95 % interval"
            )
        axes.plot(value, y, "o", color=colour, ms=8 if y == 0 else 6, zorder=3, label="synthetic" if y == 0 else None)
        if floor is not None:
            axes.plot(
                floor, y, "D", mfc="white", mec=SIDES["held_out"][1], mew=1.5, ms=6, zorder=2,
                label="floor: real against real" if y == 0 else None,
            )  # fmt: skip
        end = max(value, result.ci95[1]) if y == 0 and result.ci95 is not None else value
        axes.annotate(number(value), (end, y), (9, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    quiet(axes)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=9, color=INK)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]), right=axes.get_xlim()[1] * 1.06)
    unit = f" [{result.unit}]" if result.unit else ""
    axes.set_xlabel(f"{result.metric}{unit}   {direction(result.better)}", fontsize=9, color=QUIET)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8, borderaxespad=0.2, labelcolor=INK
    )
    name_stand_ins(figure, result.stand_ins)
    save(figure, path)
