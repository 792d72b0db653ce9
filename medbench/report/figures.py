"""The figures of a run, as PNG files: the same input makes the same bytes (no dates, no global plotting state)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.report.drawing import INK, QUIET, SIDES, name_stand_ins, quiet, save
from medbench.report.sheet import MUTED, VIEWS, Sheet, centre_slice
from medbench.report.words import direction, label, number
from medbench.results import Result
from medbench.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VOLUMES: Final = 4


def montage(real: Sequence[Volume], synthetic: Sequence[Volume], path: Path, *, window: tuple[float, float]) -> None:
    """Draw the centre slices of up to four real and four synthetic volumes in three planes, all at one scale.

    Radiological display: the patient's right (sagittal: anterior) on the viewer's left, anterior or superior up.

    Args:
        real: volumes, RAS+; those after the fourth are left out.
        synthetic: likewise.
        path: the PNG file to write.
        window: HU shown as black and as white.

    Raises:
        ValueError: there is no volume at all.
    """
    sides = (("Real", "#56B4E9", real[:MOST_VOLUMES]), ("Synthetic", "#E69F00", synthetic[:MOST_VOLUMES]))
    blocks = [side for side in sides if side[2]]
    volumes = [volume for *_, block in blocks for volume in block]
    sheet = Sheet(volumes, rows=[[0], [1], [2]], blocks=[len(block) for *_, block in blocks])
    for index, (title, colour, block) in enumerate(blocks):
        sheet.block_title(title, colour, index, len(block))
    for column, volume in enumerate(volumes):
        for view in range(len(VIEWS)):
            axes = sheet.cell(column, view, volume, view)
            _show(axes, volume, view, window)
            if column == 0:
                sheet.edge_letter(axes, view)
    for view, title in enumerate(VIEWS):
        sheet.row_title(view, title)
    sheet.footer(_window_words(window))
    save(sheet.figure, path)


def reconstruction(pairs: Sequence[tuple[Volume, Volume]], path: Path, window: tuple[float, float]) -> None:
    """Draw original, reconstruction and their signed difference in HU: axial and coronal centre slices, a row a pair.

    Args:
        pairs: (volume, its reconstruction) on one grid each; those after the fourth are left out.
        path: the PNG file to write.
        window: HU shown as black and as white.

    Raises:
        ValueError: there is no pair.
    """
    from matplotlib.colors import LinearSegmentedColormap

    # dark in the middle: where nothing differs, nothing is seen
    colours = LinearSegmentedColormap.from_list("difference", ("#d6ecff", "#3b9ae0", "black", "#e8891a", "#ffecce"))
    shown = pairs[:MOST_VOLUMES]
    views = (0, 1)
    sheet = Sheet([original for original, _ in shown], rows=[views] * len(shown), blocks=[3, 3], right=0.95)
    differences = [Volume(b.voxels.astype(np.float32) - a.voxels, a.affine) for a, b in shown]
    limit = _round_up(max(float(np.percentile(np.abs(difference.voxels), 99.5)) for difference in differences))
    for view in views:
        sheet.block_title(VIEWS[view].capitalize(), MUTED, view, 3)
        for offset, title in enumerate(("original", "reconstruction", "difference")):
            sheet.column_title(title, 3 * view + offset)
        for row, ((original, rebuilt), difference) in enumerate(zip(shown, differences)):
            for offset, volume in enumerate((original, rebuilt)):
                _show(sheet.cell(3 * view + offset, row, volume, view), volume, view, window)
            image = sheet.cell(3 * view + 2, row, difference, view).imshow(
                centre_slice(difference, view), cmap=colours, vmin=-limit, vmax=limit, aspect="auto"
            )
    sheet.colour_bar(image, "reconstruction − original [HU]")
    sheet.footer(_window_words(window))
    save(sheet.figure, path)


def planes(result: Result, path: Path) -> None:
    """Draw a result's value with its interval, the values of its parts (the planes), and the floor of each.

    Args:
        result: a result whose parts are single numbers, such as ``fid25d``.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

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
                label="floor: held-out real" if y == 0 else None,
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


def _show(axes: Axes, volume: Volume, view: int, window: tuple[float, float]) -> None:
    low, high = window
    axes.imshow(
        centre_slice(volume, view), cmap="gray", vmin=low, vmax=high, aspect="auto", interpolation="bilinear"
    )  # fmt: skip


def _window_words(window: tuple[float, float]) -> str:
    return f"window {window[0]:g} to {window[1]:g} HU".replace("-", "−")


def _round_up(size: float) -> float:
    """Return the next of 10, 20, 50, 100, 200, ... HU."""
    step = 10.0 ** max(1, math.floor(math.log10(max(size, 1.0))))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= size)
