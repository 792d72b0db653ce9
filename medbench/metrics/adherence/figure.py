"""The figure of ``adherence``: how far masks were followed, by region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.drawing.style import INK, QUIET, SIDES, cloud, name_stand_ins, quiet, save
from medbench.drawing.text import direction, label, number
from medbench.errors import Unavailable
from medbench.metrics.base import Measured
from medbench.records.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LANE: Final = 0.42  # inches a distribution


def draw(measured: Measured, path: Path) -> None:
    """Draw the DSC of every sample by region, with the median, beside ceiling and shuffled masks.

    Args:
        measured: its table has one row a sample and region, with the columns ``region``, ``dsc`` (empty: not
            applicable); its parts by region hold ``ceiling_median`` and ``shuffled_median``.
        path: the PNG file to write.

    Raises:
        Unavailable: the table holds no DSC.
    """
    from matplotlib.figure import Figure

    result, table = measured.result, measured.table
    present = table[table["dsc"].notna()] if table is not None else None
    if present is None or present.empty:
        raise Unavailable("no sample has a DSC")
    regions = list(dict.fromkeys(present["region"]))
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
        ("shuffled_median", "X", QUIET, "shuffled masks"),
    )
    for key, shape, colour, name in marks:
        if key in figures:
            known = axes.get_legend_handles_labels()[1]
            axes.plot(
                figures[key], y, shape, mfc="white" if shape == "D" else colour, mec=colour, mew=1.4, ms=6, zorder=4,
                label=None if name in known else name,
            )  # fmt: skip
