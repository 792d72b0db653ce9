"""A dark sheet of slices, as on a viewing station: every slice at one scale in mm, whatever the voxels' shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from medbench.imaging.volume import Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VIEWS: Final = ("axial", "coronal", "sagittal")
NIGHT, TEXT, MUTED = "#0b0d10", "#e8eaed", "#9aa3ad"

_ACROSS: Final = (0, 0, 1)  # the axis of the voxels that runs across each view
_UP: Final = (1, 2, 2)  # and the one that runs up
_LEFT_EDGES: Final = ("R", "R", "A")  # what lies on the viewer's left
_LEFT, _TOP, _BOTTOM, _GAP, _BLOCK_GAP = 0.34, 0.44, 0.26, 0.03, 0.16  # inches


@dataclass(frozen=True, eq=False)
class CentreSlices:
    """What is drawn of a volume, without the volume.

    Args:
        shape: its voxels along x, y, z.
        spacing_mm: of its voxels.
        views: its centre slice in each view, see ``centre_slice``.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    views: Sequence[NDArray[np.generic]]

    @classmethod
    def of(cls, volume: Volume) -> CentreSlices:
        """Return a volume's centre slices, as copies."""
        views = [centre_slice(volume, view).copy() for view in range(len(VIEWS))]
        return cls(volume.shape, volume.spacing_mm, views)


Drawable = Volume | CentreSlices


def centre_slice(volume: Drawable, view: int) -> NDArray[np.generic]:
    """Return a volume's centre slice in radiological display, as an image of rows from the top.

    Args:
        volume: RAS+.
        view: 0 axial (patient's right on the left, anterior up), 1 coronal (right on the left, superior up),
            2 sagittal (anterior on the left, superior up).
    """
    if isinstance(volume, CentreSlices):
        return volume.views[view]
    x, y, z = (n // 2 for n in volume.shape)
    plane = (volume.voxels[:, :, z], volume.voxels[:, y, :], volume.voxels[x])[view]
    return plane[::-1, ::-1].T


def size_mm(volume: Drawable, view: int) -> tuple[float, float]:
    """Return width and height of a view's slice in mm."""
    extent = np.multiply(volume.shape, volume.spacing_mm)
    return float(extent[_ACROSS[view]]), float(extent[_UP[view]])


class Sheet:
    """A grid of cells for slices; columns stand in titled blocks.

    Args:
        volumes: everything that will be drawn; the largest decides the size of the cells.
        rows: the views that each row of cells must hold.
        blocks: how many columns each block has.
        right: room at the right edge, inches.
    """

    def __init__(
        self, volumes: Sequence[Drawable], *, rows: Sequence[Sequence[int]], blocks: Sequence[int], right: float = 0.12
    ) -> None:
        from matplotlib.figure import Figure

        if not volumes:
            raise ValueError("there is no volume to draw")
        views = sorted({view for row in rows for view in row})
        widest = max(size_mm(volume, view)[0] for volume in volumes for view in views)
        heights = [max(size_mm(volume, view)[1] for volume in volumes for view in row) for row in rows]
        columns = sum(blocks)
        cell = 11.6 / max(columns, 6)
        self._inches = min(cell / widest, 9.0 / sum(heights))  # per mm
        self._width = widest * self._inches
        self._heights = [height * self._inches for height in heights]
        self._starts = [sum(blocks[:i]) for i in range(len(blocks))]
        self.size = (
            self._x(columns - 1) + self._width + right,
            _TOP + sum(self._heights) + _GAP * (len(rows) - 1) + _BOTTOM,
        )
        self.figure = Figure(self.size, facecolor=NIGHT)

    def cell(self, column: int, row: int, volume: Drawable, view: int) -> Axes:
        """Return axes of the true proportions of a volume's slice, centred in a cell."""
        width, height = (size * self._inches for size in size_mm(volume, view))
        left = self._x(column) + (self._width - width) / 2
        bottom = self._y(row) + (self._heights[row] - height) / 2
        axes: Axes = self._axes(left, bottom, width, height)
        axes.set_axis_off()
        return axes

    def block_title(self, title: str, colour: str, block: int, columns: int) -> None:
        """Name a block of columns above a thin line in its colour."""
        from matplotlib.lines import Line2D

        first = self._starts[block]
        left, right = self._x(first), self._x(first + columns - 1) + self._width
        y = self.size[1] - _TOP + 0.1
        self._text(left, y + 0.06, title, size=11, color=TEXT, weight="bold", va="bottom")
        self.figure.add_artist(
            Line2D([left / self.size[0], right / self.size[0]], [y / self.size[1]] * 2, color=colour, lw=2)
        )

    def column_title(self, title: str, column: int) -> None:
        """Name a column at the right end of its title line."""
        x = self._x(column) + self._width
        self._text(x, self.size[1] - _TOP + 0.16, title, size=8, color=MUTED, ha="right", va="bottom")

    def row_title(self, row: int, title: str) -> None:
        """Name a row along its left edge."""
        y = self._y(row) + self._heights[row] / 2
        self._text(_LEFT / 2, y, title, size=9, color=TEXT, rotation=90, ha="center", va="center")

    def edge_letter(self, axes: Axes, view: int) -> None:
        """Mark on a slice what lies on the viewer's left."""
        from matplotlib.patheffects import withStroke

        text = axes.text(0.03, 0.5, _LEFT_EDGES[view], transform=axes.transAxes, color=TEXT, fontsize=7, va="center")
        text.set_path_effects([withStroke(linewidth=2, foreground=NIGHT)])

    def colour_bar(self, image: Any, title: str) -> None:
        """Draw an image's colour scale at the right edge, over the height of the cells."""
        left = self.size[0] - 0.78
        axes = self._axes(left, _BOTTOM, 0.1, self.size[1] - _TOP - _BOTTOM)
        bar = self.figure.colorbar(image, cax=axes, extend="both")
        bar.outline.set_visible(False)
        bar.set_label(title, color=MUTED, fontsize=8)
        axes.tick_params(colors=MUTED, labelsize=7, length=2)

    def footer(self, text: str) -> None:
        """Put a small line at the lower left."""
        self._text(_LEFT, _BOTTOM / 2, text, size=7, color=MUTED, va="center")

    def _x(self, column: int) -> float:
        block = max(index for index, start in enumerate(self._starts) if start <= column)
        return _LEFT + column * (self._width + _GAP) + block * _BLOCK_GAP

    def _y(self, row: int) -> float:
        return self.size[1] - _TOP - sum(self._heights[: row + 1]) - _GAP * row

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        across, up = self.size
        return self.figure.add_axes((left / across, bottom / up, width / across, height / up))

    def _text(self, x: float, y: float, text: str, **style: Any) -> None:
        self.figure.text(x / self.size[0], y / self.size[1], text, **style)
