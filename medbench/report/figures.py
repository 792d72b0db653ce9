"""The figures of a run, as PNG files: the same input makes the same bytes (no dates, no global plotting state)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from medbench.drawing.panels import VIEWS, Sheet
from medbench.drawing.style import INK, QUIET, SIDES, name_stand_ins, quiet, save
from medbench.drawing.text import direction, label, number
from medbench.imaging.volume import Volume
from medbench.records.results import Result
from medbench.report.figures_pairs import Titles, difference_sheet, show, window_words

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
            show(axes, volume, view, window)
            if column == 0:
                sheet.edge_letter(axes, view)
    for view, title in enumerate(VIEWS):
        sheet.row_title(view, title)
    sheet.footer(window_words(window))
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
    titles = Titles("original", "reconstruction", "reconstruction − original [HU]")
    save(difference_sheet(pairs, titles, window=window).figure, path)


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
