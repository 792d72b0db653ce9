"""One grid, one range of values and one background for all cases, so that none of them tells the source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import model_validator

from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume, as_int16
from medbench.spec import Grid, Length, Spec

AIR_HU = -1000
_BODY_HU = -400  # between lung and fat, as the skin is found in CT
_STEP = 2  # in-plane; the skin need not be known to a voxel


class Convention(Spec):
    """How every case is prepared.

    ``hu_range`` clips, and so hides what a source pads with. ``background_hu`` replaces all that lies outside the body:
    scanner table, clothes, the circle of the scan field and its padding.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[Length, Length, Length]
    hu_range: tuple[int, int] | None = None
    background_hu: int | None = None

    @model_validator(mode="after")
    def _check_range(self) -> Convention:
        if self.hu_range is not None and self.hu_range[0] >= self.hu_range[1]:
            raise ValueError(f"HU range {self.hu_range[0]} to {self.hu_range[1]} is empty")
        return self

    @property
    def affine(self) -> np.ndarray:
        """Voxel index to RAS+ mm, the same for all cases: the origin is the centre."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = [-(size - 1) / 2 * step for size, step in zip(self.shape, self.spacing_mm)]
        return affine

    def apply(self, volume: Volume) -> np.ndarray:
        """Return a volume's (x, y, z) int16 HU on the grid, about its centre.

        Args:
            volume: any grid.
        """
        pad = AIR_HU if self.background_hu is None else self.background_hu
        voxels = as_int16(to_grid(volume, Grid(shape=self.shape, spacing_mm=self.spacing_mm, pad_hu=pad)).voxels)
        if self.background_hu is not None:
            voxels = np.where(body(voxels), voxels, np.int16(self.background_hu))
        return voxels if self.hu_range is None else voxels.clip(*self.hu_range)


def common_grid(
    extents: Sequence[tuple[tuple[int, int, int], tuple[float, float, float]]],
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Return the grid on which no case is up-sampled and none is padded: coarsest spacing, smallest field of view.

    Args:
        extents: shape and spacing (mm) of each volume.

    Returns:
        Shape and spacing (mm, to five decimals, which every file format keeps).

    Example:
        >>> common_grid([((512, 512, 100), (0.7, 0.7, 2.5)), ((256, 256, 250), (1.5, 1.5, 1.0))])
        ((238, 238, 100), (1.5, 1.5, 2.5))
    """
    shapes, spacings = (np.array(list(values), dtype=np.float64) for values in zip(*extents))
    spacing = spacings.max(axis=0).round(5)
    # A field of view that fits to within a thousandth of a voxel keeps its last voxel.
    x, y, z = np.maximum(np.floor((shapes * spacings).min(axis=0) / spacing + 1e-3), 1).astype(int).tolist()
    sx, sy, sz = spacing.tolist()
    return (x, y, z), (sx, sy, sz)


def body(voxels: np.ndarray) -> np.ndarray:
    """Return where the body is: the largest connected piece denser than air, filled in each axial slice.

    Found on every second voxel of x and y, so that its edge is exact to two voxels. What is thinner than six voxels, as
    a sheet or a wire, does not belong to it.

    Args:
        voxels: (x, y, z) HU.

    Returns:
        (x, y, z) bool; nothing is left out where nothing is denser than air.
    """
    from scipy import ndimage

    dense = voxels[::_STEP, ::_STEP] > _BODY_HU
    for index in range(dense.shape[2]):
        dense[..., index] = ndimage.binary_fill_holes(dense[..., index])
    pieces, count = ndimage.label(ndimage.binary_opening(dense, structure=np.ones((3, 3, 1))))
    if not count:
        return np.ones(voxels.shape, bool)
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    x, y, _ = voxels.shape
    whole: np.ndarray = largest.repeat(_STEP, axis=0)[:x].repeat(_STEP, axis=1)[:, :y]
    return whole
