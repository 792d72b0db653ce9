"""Pairs of volumes side by side with their difference: reconstructions, and samples beside what they may copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.drawing.panels import MUTED, VIEWS, Sheet, centre_slice
from medbench.drawing.style import save
from medbench.imaging.volume import Volume
from medbench.metrics.copies import best_shift, working_copy
from medbench.spec import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS: Final = 4
_VIEWS: Final = (0, 1)


@dataclass(frozen=True)
class Titles:
    """What a sheet of pairs says about its columns: the two volumes, and the difference of the second and first."""

    first: str
    second: str
    difference: str


@dataclass(frozen=True, eq=False)
class ClosePair:
    """A sample and the training volume that is nearest to it.

    Args:
        sample: of the generator.
        training: on the same grid.
        similarity: correlation of the embeddings.
        ncc: correlation of the voxels after the best small shift.
    """

    sample: Volume
    training: Volume
    similarity: float
    ncc: float


def closest_pairs(pairs: Sequence[ClosePair], path: Path, *, window: tuple[float, float]) -> None:
    """Draw samples beside their nearest training volumes and the difference, a row a pair.

    Each sample is moved by the best small shift of its working copy, as for the correlation of the voxels: the
    difference of a copy that lies a voxel aside would else be all edges.

    Args:
        pairs: the closest first; those after the fourth are left out.
        path: the PNG file to write.
        window: HU shown as black and as white.

    Raises:
        ValueError: there is no pair.
    """
    titles = Titles("nearest training", "sample", "sample − training [HU]")
    moved = [(pair.training, _moved(pair, window)) for pair in pairs[:MOST_PAIRS]]
    sheet = difference_sheet(moved, titles, window=window)
    for row, pair in enumerate(pairs[:MOST_PAIRS]):
        sheet.row_title(row, f"r {pair.similarity:.2f}   voxels {pair.ncc:.2f}".replace("-", "−"))
    save(sheet.figure, path)


def _moved(pair: ClosePair, window: tuple[float, float]) -> Volume:
    limits = Window(low=window[0], high=window[1])
    copies = [working_copy(volume.voxels, window=limits) for volume in (pair.sample, pair.training)]
    steps = [
        -round(shift * length / short)
        for shift, length, short in zip(best_shift(*copies), pair.sample.shape, copies[0].shape)
    ]
    return Volume(np.roll(pair.sample.voxels, steps, axis=(0, 1, 2)), pair.sample.affine)


def difference_sheet(pairs: Sequence[tuple[Volume, Volume]], titles: Titles, *, window: tuple[float, float]) -> Sheet:
    """Return a sheet with both volumes of each pair and their signed difference: axial and coronal centre slices.

    Args:
        pairs: (first, second) on one grid each; those after the fourth are left out.
        titles: of the columns and of the colour bar.
        window: HU shown as black and as white.

    Raises:
        ValueError: there is no pair.
    """
    from matplotlib.colors import LinearSegmentedColormap

    # dark in the middle: where nothing differs, nothing is seen
    colours = LinearSegmentedColormap.from_list("difference", ("#d6ecff", "#3b9ae0", "black", "#e8891a", "#ffecce"))
    shown = pairs[:MOST_PAIRS]
    sheet = Sheet([first for first, _ in shown], rows=[_VIEWS] * len(shown), blocks=[3, 3], right=0.95)
    differences = [Volume(b.voxels.astype(np.float32) - a.voxels, a.affine) for a, b in shown]
    limit = _round_up(max(float(np.percentile(np.abs(difference.voxels), 99.5)) for difference in differences))
    for view in _VIEWS:
        sheet.block_title(VIEWS[view].capitalize(), MUTED, view, 3)
        for offset, title in enumerate((titles.first, titles.second, "difference")):
            sheet.column_title(title, 3 * view + offset)
        for row, (pair, difference) in enumerate(zip(shown, differences)):
            for offset, volume in enumerate(pair):
                show(sheet.cell(3 * view + offset, row, volume, view), volume, view, window)
            image = sheet.cell(3 * view + 2, row, difference, view).imshow(
                centre_slice(difference, view), cmap=colours, vmin=-limit, vmax=limit, aspect="auto"
            )
    sheet.colour_bar(image, titles.difference)
    sheet.footer(window_words(window))
    return sheet


def show(axes: Axes, volume: Volume, view: int, window: tuple[float, float]) -> None:
    """Draw a volume's centre slice in a window of HU."""
    low, high = window
    axes.imshow(
        centre_slice(volume, view), cmap="gray", vmin=low, vmax=high, aspect="auto", interpolation="bilinear"
    )  # fmt: skip


def window_words(window: tuple[float, float]) -> str:
    """Return a window as words: ``window −1000 to 1000 HU``."""
    return f"window {window[0]:g} to {window[1]:g} HU".replace("-", "−")


def _round_up(size: float) -> float:
    """Return the next of 10, 20, 50, 100, 200, ... HU."""
    step = 10.0 ** max(1, math.floor(math.log10(max(size, 1.0))))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= size)
