"""The figure of ``rvr``: how much of its volume each region fills, real against synthetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medbench.drawing.style import INK, QUIET, SIDES, cloud, name_stand_ins, quiet, save
from medbench.drawing.text import label
from medbench.errors import Unavailable
from medbench.metrics.base import Measured

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MANY: Final = 6
_LANE: Final = 0.42  # inches a distribution


def draw(measured: Measured, path: Path) -> None:
    """Draw each compared region's share of its volume: density, box and every volume as a dot, a lane a side.

    Args:
        measured: its table has one row a volume and region, with the columns ``side`` (real, synthetic, held_out),
            ``region``, ``voxels``, ``ratio``.
        path: the PNG file to write.

    Raises:
        Unavailable: no region was compared.
    """
    from matplotlib.figure import Figure

    result, table = measured.result, measured.table
    compared = table[table["region"].isin(result.parts)] if table is not None else None
    if compared is None or compared.empty:
        raise Unavailable("no region was compared")
    regions = list(dict.fromkeys(compared["region"]))
    sides = [side for side in SIDES if (compared["side"] == side).any()]
    columns = min(len(regions), 4 if len(regions) > _MANY else 3)
    rows = math.ceil(len(regions) / columns)
    height, gap = 0.1 + _LANE * len(sides), 0.58
    top, bottom = 0.3, 0.55 + (0.2 if result.stand_ins else 0.0)
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
        rows_here = compared[compared["region"] == regions[index]]
        _ratio_panel(axes, rows_here, sides, names=index % columns == 0)
        axes.set_title(label(regions[index]), loc="left", fontsize=9, color=INK, pad=4)
    figure.supxlabel("share of the volume's voxels [%]", fontsize=9, color=QUIET, y=(bottom - 0.42) / size[1])
    name_stand_ins(figure, result.stand_ins)
    save(figure, path)


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
