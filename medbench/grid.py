"""Bringing volumes and label maps to a canonical grid, voxels and affine alike.

Output voxel j of an axis lies at input position ``centre_in + (j - centre_out) * step``: both grids share their
centre, so that the field of view neither drifts nor turns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from medbench.spec import Grid
from medbench.volume import LabelMap, Volume, as_int16

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_LABEL_BACKGROUND = 0
_SAME_SPACING = 1e-3  # share of the spacing; files store it as float32, often rounded to three digits
_Plan = tuple[tuple[int, float], ...]  # for each axis: voxels out, and the step in input voxels


def to_grid(volume: Volume, grid: Grid) -> Volume:
    """Bring a volume to a grid; once there it is returned unchanged.

    Resampling is linear, and widens its kernel to the output's voxel where that is larger (no aliasing). The mean
    and the range of the values are kept; int16 stays int16 (rounded), float32 stays float32.

    Args:
        volume: any shape, HU.
        grid: the canonical grid.

    Returns:
        A volume of ``grid.shape`` whose affine keeps every structure at its place in the world.
    """
    plan = _plan(volume, grid)
    voxels = volume.voxels
    if _resamples(plan, voxels.shape):
        hu = voxels.astype(np.float32)
        # The axis that shrinks most goes first: it leaves the least work to the others.
        for axis in sorted(range(3), key=lambda axis: -plan[axis][1]):
            hu = _resample(hu, axis, *plan[axis])
        voxels = as_int16(hu) if volume.voxels.dtype == np.int16 else hu
    resampled = Volume(voxels, _resampled_affine(volume.affine, volume.shape, plan))
    return Volume(*_centred(resampled.voxels, resampled.affine, grid.shape, fill=grid.pad_hu))


def label_map_to_grid(label_map: LabelMap, grid: Grid) -> LabelMap:
    """Bring a label map to a grid, at the same places as ``to_grid``; each voxel takes the nearest label.

    Args:
        label_map: any shape.
        grid: the canonical grid; what it pads becomes background.

    Returns:
        A label map of ``grid.shape`` with the same names.
    """
    plan = _plan(label_map, grid)
    voxels = label_map.voxels
    if _resamples(plan, voxels.shape):
        nearest = [_positions(size, *axis) for size, axis in zip(voxels.shape, plan)]
        voxels = voxels[np.ix_(*(np.floor(at + 0.5).astype(np.intp) for at in nearest))]
    affine = _resampled_affine(label_map.affine, label_map.shape, plan)
    return LabelMap(*_centred(voxels, affine, grid.shape, fill=_LABEL_BACKGROUND), label_map.names)


def _plan(image: Volume | LabelMap, grid: Grid) -> _Plan:
    """Return how each axis is resampled before it is cropped or padded; a step of 1.0 leaves it alone."""
    if grid.fit == "resize":
        return tuple((out, size / out) for size, out in zip(image.shape, grid.shape))
    if grid.spacing_mm is None:
        return tuple((size, 1.0) for size in image.shape)
    steps = [wanted / spacing for wanted, spacing in zip(grid.spacing_mm, image.spacing_mm)]
    return tuple(
        (size, 1.0) if math.isclose(step, 1.0, rel_tol=_SAME_SPACING) else (max(1, round(size / step)), step)
        for size, step in zip(image.shape, steps)
    )


def _resamples(plan: _Plan, shape: tuple[int, ...]) -> bool:
    return any((out, step) != (size, 1.0) for size, (out, step) in zip(shape, plan))


def _positions(size: int, out: int, step: float) -> np.ndarray:
    """Return the output's voxel centres in input voxels; beyond the outermost input centre the edge goes on."""
    positions = (size - 1) / 2 + (np.arange(out) - (out - 1) / 2) * step
    return positions.clip(0, size - 1)


def _resample(hu: np.ndarray, axis: int, out: int, step: float) -> np.ndarray:
    if (out, step) == (hu.shape[axis], 1.0):
        return hu
    rows = np.moveaxis(hu, axis, 0)
    flat = _weights(hu.shape[axis], out, step) @ rows.reshape(rows.shape[0], -1)
    return np.ascontiguousarray(np.moveaxis(flat.reshape(out, *rows.shape[1:]), 0, axis))


def _weights(size: int, out: int, step: float) -> csr_array:
    """Return the (out, size) sparse matrix of a triangle kernel, one or ``step`` input voxels to each side."""
    from scipy.sparse import csr_array

    reach = max(1.0, step)
    positions = _positions(size, out, step)
    taps = np.floor(positions - reach).astype(np.intp)[:, None] + np.arange(math.ceil(2 * reach) + 2)
    heights = (1 - np.abs(taps - positions[:, None]) / reach).clip(0, None) * ((taps >= 0) & (taps < size))
    heights /= heights.sum(axis=1, keepdims=True)
    rows, columns = np.nonzero(heights)
    return csr_array((heights[rows, columns].astype(np.float32), (rows, taps[rows, columns])), shape=(out, size))


def _resampled_affine(affine: np.ndarray, shape: tuple[int, int, int], plan: _Plan) -> np.ndarray:
    steps = np.array([step for _, step in plan])
    start = [(size - 1) / 2 - (out - 1) / 2 * step for size, (out, step) in zip(shape, plan)]
    return _moved(affine @ np.diag([*steps, 1.0]), affine[:3, :3] @ start)


def _centred(
    voxels: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int], *, fill: int
) -> tuple[np.ndarray, np.ndarray]:
    """Crop or pad each axis about the centre; an odd voxel is cropped at the end and padded at the end."""
    if voxels.shape == shape:
        return voxels, affine
    crop = [max(0, (size - out) // 2) for size, out in zip(voxels.shape, shape)]
    pad = [max(0, (out - size) // 2) for size, out in zip(voxels.shape, shape)]
    kept = [min(size, out) for size, out in zip(voxels.shape, shape)]
    result = np.full(shape, fill, dtype=voxels.dtype)
    inner = tuple(slice(first, first + length) for first, length in zip(pad, kept))
    result[inner] = voxels[tuple(slice(first, first + length) for first, length in zip(crop, kept))]
    return result, _moved(affine, affine[:3, :3] @ (np.array(crop) - np.array(pad)))


def _moved(affine: np.ndarray, shift_mm: np.ndarray) -> np.ndarray:
    moved = affine.copy()
    moved[:3, 3] += shift_mm
    return moved
