"""Figures by region: how much of its volume each region fills, and how far masks were followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.drawing.style import INK, QUIET, SIDES, cloud, name_stand_ins, quiet, save
from medbench.drawing.text import direction, label, number
from medbench.records.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MANY: Final = 6
_LANE: Final = 0.42  # inches a distribution
_FLOOR: Final = "#5b6673"


def region_ratios(table: pd.DataFrame, path: Path, *, stand_ins: Sequence[str] = ()) -> None:
    """Draw each region's share of its volume: density, box and every volume as a dot, real against synthetic.

    Args:
        table: one row a volume and region; columns ``side`` (real, synthetic, held_out), ``id``, ``region``,
            ``voxels``, ``ratio``.
        path: the PNG file to write.
        stand_ins: named substitutes behind the numbers; they are printed under the figure.

    Raises:
        ValueError: the table is empty.
    """
    from matplotlib.figure import Figure

    regions = list(dict.fromkeys(table["region"]))
    if not regions:
        raise ValueError("the table of region ratios is empty")
    sides = [side for side in SIDES if (table["side"] == side).any()]
    columns = min(len(regions), 4 if len(regions) > _MANY else 3)
    rows = math.ceil(len(regions) / columns)
    height, gap = 0.1 + _LANE * len(sides), 0.58
    top, bottom = 0.3, 0.55 + (0.2 if stand_ins else 0.0)
    figure = Figure((1.6 + 2.5 * columns, top + bottom + (height + gap) * rows - gap), facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    size = figure.get_size_inches()
    figure.subplots_adjust(
        left=1.5 / size[0],
        right=1 - 0.15 / size[0],
        top=1 - top / size[1],
        bottom=bottom / size[1],
        wspace=0.14,
        hspace=gap / height,
    )
    for index, axes in enumerate(grid.flat):
        if index >= len(regions):
            axes.set_visible(False)
            continue
        rows_here = table[table["region"] == regions[index]]
        _ratio_panel(axes, rows_here, sides, names=index % columns == 0)
        axes.set_title(label(regions[index]), loc="left", fontsize=9, color=INK, pad=4)
    figure.supxlabel("share of the volume's voxels [%]", fontsize=9, color=QUIET, y=(bottom - 0.42) / size[1])
    name_stand_ins(figure, stand_ins)
    save(figure, path)


def region_overlap(table: pd.DataFrame, result: Result, path: Path) -> None:
    """Draw the DSC of every sample by region, with the interval of the median, beside ceiling and shuffled masks.

    Args:
        table: one row a sample and region; columns ``region``, ``dsc`` (empty: not applicable).
        result: adherence, whose parts by region hold ``ci_low``, ``ci_high``, ``ceiling_median``, ``shuffled_median``.
        path: the PNG file to write.

    Raises:
        ValueError: the table holds no DSC.
    """
    from matplotlib.figure import Figure

    present = table[table["dsc"].notna()]
    regions = list(dict.fromkeys(present["region"]))
    if not regions:
        raise ValueError("the table of overlaps is empty")
    left, top, bottom = 1.9, 0.5, 0.6 + (0.2 if result.stand_ins else 0.0)
    size = (7.6, top + bottom + _LANE * len(regions))
    figure = Figure(size, facecolor="white")
    axes = figure.add_axes(
        (left / size[0], bottom / size[1], 1 - (left + 0.75) / size[0], 1 - (top + bottom) / size[1])
    )
    for y, region in enumerate(regions):
        _overlap_lane(axes, present.loc[present["region"] == region, "dsc"].to_numpy(float), y)
        _marks(axes, result, region, y)
    quiet(axes)
    axes.set_yticks(range(len(regions)), [label(region) for region in regions], fontsize=9, color=INK)
    axes.set_ylim(len(regions) - 0.4, -0.6)
    low = min(0.0, *present["dsc"]) if present["dsc"].min() < 0.5 else axes.get_xlim()[0]
    axes.set_xlim(max(0.0, low) - 0.01, 1.01)
    axes.set_xlabel(f"DSC of mask and segmentation   {direction(result.better)}", fontsize=9, color=QUIET)
    figure.text(1 - 0.7 / size[0], 1 - 0.3 / size[1], "median", fontsize=8, color=QUIET)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8, borderaxespad=0.2, labelcolor=INK
    )
    name_stand_ins(figure, result.stand_ins)
    save(figure, path)


def _overlap_lane(axes: Axes, dsc: np.ndarray, y: int) -> None:
    colour = SIDES["synthetic"][1]
    cloud(axes, dsc, y, colour=colour, height=0.86)
    if y == 0:
        axes.plot([], [], "o", ms=4, color=colour, label="samples")
    axes.annotate(
        number(float(np.median(dsc))), (1, y), (10, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="center", fontsize=8.5, color=INK,
    )  # fmt: skip


def _marks(axes: Axes, result: Result, region: str, y: int) -> None:
    """Mark what the segmenter reaches on real images, and what masks of other samples reach."""
    figures = result.parts.get(region)
    if not isinstance(figures, dict):
        return
    marks = (
        ("ceiling_median", "D", SIDES["held_out"][1], "segmenter on real images"),
        ("shuffled_median", "X", _FLOOR, "shuffled masks"),
    )
    for key, shape, colour, name in marks:
        if key in figures:
            known = axes.get_legend_handles_labels()[1]
            axes.plot(
                figures[key], y, shape, mfc="white" if shape == "D" else colour, mec=colour, mew=1.4, ms=6, zorder=4,
                label=None if name in known else name,
            )  # fmt: skip


def _ratio_panel(axes: Axes, table: pd.DataFrame, sides: Sequence[str], *, names: bool) -> None:
    """Draw one region's distributions, a lane a side."""
    for y, side in enumerate(sides):
        colour = SIDES[side][1]
        rows = table[table["side"] == side]
        if rows.empty:
            continue
        cloud(axes, 100 * rows["ratio"].to_numpy(float), y, colour=colour, height=0.9)
        missing = int((rows["voxels"] == 0).sum())
        if missing:
            axes.annotate(
                f"missing in {missing} of {len(rows)}",
                (0, y),
                (4, 0),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
    quiet(axes)
    axes.set_yticks(
        range(len(sides)), [f"{SIDES[side][0]}  ({(table['side'] == side).sum()})" if names else "" for side in sides]
    )
    for tick, side in zip(axes.get_yticklabels(), sides):
        tick.set_color(SIDES[side][1])
    axes.set_ylim(len(sides) - 0.45, -0.55)
