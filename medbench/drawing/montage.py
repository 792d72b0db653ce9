"""Figures of volumes: the montage of a run, and pairs of volumes with their difference.

The same input makes the same bytes (no dates, no global plotting state).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.drawing.panels import MUTED, VIEWS, Drawable, Sheet, centre_slice
from medbench.drawing.style import save
from medbench.imaging.volume import Volume
from medbench.records.results import StoredFigure
from medbench.spec import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VOLUMES: Final = 4
MOST_PAIRS: Final = 4
MONTAGE: Final = StoredFigure(
    file="figures/montage.png",
    caption="Centre slices in three planes, one column a volume. The patient's right is on the left of the picture.",
    alt="Axial, coronal and sagittal centre slices of real volumes beside those of synthetic ones",
    dark=True,
)
_PAIR_VIEWS: Final = (0, 1)


def montage(real: Sequence[Drawable], synthetic: Sequence[Drawable], path: Path, *, window: Window) -> None:
    """Draw the centre slices of up to four real and four synthetic volumes in three planes, all at one scale.

    Radiological display: the patient's right (sagittal: anterior) on the viewer's left, anterior or superior up.

    Args:
        real: volumes, RAS+, or their centre slices; those after the fourth are left out.
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


def difference_sheet(pairs: Sequence[tuple[Volume, Volume]], titles: tuple[str, str, str], *, window: Window) -> Sheet:
    """Return a sheet with both volumes of each pair and their signed difference: axial and coronal centre slices.

    Args:
        pairs: (first, second) on one grid each; those after the fourth are left out.
        titles: of the first volumes, of the second ones, and of the scale of their difference.
        window: HU shown as black and as white.

    Raises:
        ValueError: there is no pair.
    """
    from matplotlib.colors import LinearSegmentedColormap

    # dark in the middle: where nothing differs, nothing is seen
    colours = LinearSegmentedColormap.from_list("difference", ("#d6ecff", "#3b9ae0", "black", "#e8891a", "#ffecce"))
    shown = pairs[:MOST_PAIRS]
    sheet = Sheet([first for first, _ in shown], rows=[_PAIR_VIEWS] * len(shown), blocks=[3, 3], right=0.95)
    differences = [Volume(b.voxels.astype(np.float32) - a.voxels, a.affine) for a, b in shown]
    limit = _round_up(max(float(np.percentile(np.abs(difference.voxels), 99.5)) for difference in differences))
    for view in _PAIR_VIEWS:
        sheet.block_title(VIEWS[view].capitalize(), MUTED, view, 3)
        for offset, title in enumerate((*titles[:2], "difference")):
            sheet.column_title(title, 3 * view + offset)
        for row, (pair, difference) in enumerate(zip(shown, differences)):
            for offset, volume in enumerate(pair):
                _show(sheet.cell(3 * view + offset, row, volume, view), volume, view, window)
            image = sheet.cell(3 * view + 2, row, difference, view).imshow(
                centre_slice(difference, view), cmap=colours, vmin=-limit, vmax=limit, aspect="auto"
            )
    sheet.colour_bar(image, titles[2])
    sheet.footer(_window_words(window))
    return sheet


def _show(axes: Axes, volume: Drawable, view: int, window: Window) -> None:
    """Draw a volume's centre slice in a window of HU."""
    axes.imshow(
        centre_slice(volume, view), cmap="gray", vmin=window.low, vmax=window.high, aspect="auto",
        interpolation="bilinear",
    )  # fmt: skip


def _window_words(window: Window) -> str:
    """Return a window as words: ``window −1000 to 1000 HU``."""
    return f"window {window.low:g} to {window.high:g} HU".replace("-", "−")


def _round_up(size: float) -> float:
    """Return the next of 10, 20, 50, 100, 200, ... HU."""
    step = 10.0 ** max(1, math.floor(math.log10(max(size, 1.0))))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= size)
