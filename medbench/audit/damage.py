"""Known damage, one function a kind: pure, seeded, from a volume, (x, y, z) in HU, to a volume on the same grid.

The larger the strength, the worse; 0 is no damage. Where a share of slices or volumes is damaged, what a smaller share
damages is part of what a larger one does, so that only the strength changes along a ladder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medbench.imaging.volume import LabelMap, Volume, as_int16

VERSION = "1"
"""Raised whenever a function here would return other voxels."""

_MARGIN_VOXELS = 1


def noise(volume: Volume, *, sd_hu: float, seed: int) -> Volume:
    """Add white Gaussian noise of a standard deviation in HU; a larger one scales the same noise."""
    white = np.random.default_rng([seed, 1]).standard_normal(volume.shape, dtype=np.float32)
    return _like(volume, volume.voxels + np.float32(sd_hu) * white)


def blur(volume: Volume, *, sigma_mm: float) -> Volume:
    """Smooth with a Gaussian of a standard deviation in mm, the same along all axes."""
    from scipy import ndimage

    sigma = [sigma_mm / spacing for spacing in volume.spacing_mm]
    return _like(volume, ndimage.gaussian_filter(volume.voxels.astype(np.float32), sigma, mode="nearest"))


def hu_shift(volume: Volume, *, hu: float) -> Volume:
    """Add a constant in HU to all voxels."""
    return _like(volume, volume.voxels.astype(np.float32) + np.float32(hu))


def without_structure(volume: Volume, label_map: LabelMap, *, region: str) -> Volume:
    """Fill a structure, and one voxel around it, with the HU of the nearest voxel outside.

    Args:
        volume: left as it is where there is no such structure.
        label_map: on the volume's grid.
        region: name of the structure.
    """
    from scipy import ndimage

    values = [value for value, name in label_map.names.items() if name == region]
    inside = np.isin(label_map.voxels, values)
    # One voxel around it holds part of the structure by partial volume, and would fill it with itself.
    inside = ndimage.binary_dilation(inside, ndimage.generate_binary_structure(3, 3), iterations=_MARGIN_VOXELS)
    if not inside.any() or inside.all():
        return volume
    nearest = ndimage.distance_transform_edt(
        inside, sampling=volume.spacing_mm, return_distances=False, return_indices=True
    )
    return Volume(volume.voxels[tuple(nearest)], volume.affine)


def shuffled_slices(volume: Volume, *, share: float, seed: int) -> Volume:
    """Put a share (0 to 1) of the axial slices in each other's places; none of two or more stays where it was."""
    count = volume.shape[2]
    taken = np.random.default_rng([seed, 2]).permutation(count)[: round(share * count)]
    order = np.arange(count)
    order[taken] = np.roll(taken, 1)
    return Volume(np.ascontiguousarray(volume.voxels[:, :, order]), volume.affine)


def stitched(volume: Volume, *, shift_mm: float) -> Volume:
    """Shift the upper half of the axial slices to anterior (y), as where two patches do not fit.

    The shift in mm is rounded to whole voxels; what is uncovered repeats the edge.
    """
    by = round(shift_mm / volume.spacing_mm[1])
    source = np.clip(np.arange(volume.shape[1]) - by, 0, volume.shape[1] - 1)
    voxels = volume.voxels.copy()
    seam = volume.shape[2] // 2
    voxels[:, :, seam:] = volume.voxels[:, source, seam:]
    return Volume(voxels, volume.affine)


def struck(count: int, *, share: float, seed: int) -> Sequence[int]:
    """Return which of so many volumes a share (0 to 1) strikes: those of a smaller one, and more."""
    order: list[int] = np.random.default_rng([seed, 3]).permutation(count)[: round(share * count)].tolist()
    return order


def _like(volume: Volume, voxels: np.ndarray) -> Volume:
    return Volume(as_int16(voxels), volume.affine)
