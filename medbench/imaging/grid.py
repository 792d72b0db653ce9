"""Bringing volumes and label maps to a canonical grid, voxels and affine alike.

Output voxel j of an axis lies at input position ``start + j * step``. With ``convention="centred"`` both grids share
their centre, so that the field of view neither drifts nor turns; with ``"monai"`` the first voxel stays in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.volume import LabelMap, Volume, as_int16
from medbench.spec import Grid

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_MOST_VOXELS = 2**32  # as many as a volume may have that is read (8 GiB of int16)
_SAME_SPACING = 1e-3  # share of the spacing; files store it as float32, often rounded to three digits
_SAME_SPACING_MM = 1e-3  # MONAI's AFFINE_TOL


@dataclass(frozen=True)
class _Axis:
    """How one axis is resampled before it is cropped or padded, in input voxels.

    Args:
        size: voxels in.
        out: voxels out.
        step: distance of two output voxels.
        start: position of the first output voxel.
        reach: half the width of the triangle kernel.
    """

    size: int
    out: int
    step: float = 1.0
    start: float = 0.0
    reach: float = 1.0

    @property
    def changes(self) -> bool:
        return (self.out, self.step, self.start) != (self.size, 1.0, 0.0)

    @property
    def positions(self) -> np.ndarray:
        """The output's voxel centres in input voxels; beyond the outermost input centre the edge goes on."""
        return (self.start + np.arange(self.out) * self.step).clip(0, self.size - 1)


def to_grid(volume: Volume, grid: Grid) -> Volume:
    """Bring a volume to a grid; once there it is returned unchanged.

    Resampling is linear. ``centred`` widens its kernel to the output's voxel where that is larger (no aliasing), and
    int16 stays int16 (rounded); ``monai`` does neither and returns float32. The range of the values is kept.

    Args:
        volume: any shape, HU.
        grid: the canonical grid.

    Returns:
        A volume on the grid whose affine keeps every structure at its place in the world.

    Raises:
        GeometryError: no machine could hold the result, or this one cannot.
    """
    plan = _plan(volume, grid)
    try:
        return _resampled(volume, grid, plan)
    except MemoryError as error:
        sizes = " x ".join(str(axis.out) for axis in plan)
        raise GeometryError(f"{sizes} voxels do not fit into this machine's memory: ask for a smaller grid") from error


def _resampled(volume: Volume, grid: Grid, plan: Sequence[_Axis]) -> Volume:
    voxels = volume.voxels
    if any(axis.changes for axis in plan):
        hu = voxels.astype(np.float32)
        # The axis that shrinks most goes first: it leaves the least work to the others.
        for number in sorted(range(3), key=lambda number: -plan[number].step):
            hu = _resample(hu, number, plan[number])
        rounds = grid.convention == "centred" and voxels.dtype == np.int16
        voxels = as_int16(hu) if rounds else hu
    return Volume(*_fitted(voxels, _resampled_affine(volume.affine, plan), grid, fill=grid.pad_hu))


def label_map_to_grid(label_map: LabelMap, grid: Grid) -> LabelMap:
    """Bring a label map to a grid, at the same places as ``to_grid``; each voxel takes the nearest label.

    Args:
        label_map: any shape.
        grid: the canonical grid; what it pads becomes background.

    Returns:
        A label map on the grid with the same names.
    """
    plan = _plan(label_map, grid)
    voxels = label_map.voxels
    if any(axis.changes for axis in plan):
        voxels = voxels[np.ix_(*(np.floor(axis.positions + 0.5).astype(np.intp) for axis in plan))]
    return LabelMap(*_fitted(voxels, _resampled_affine(label_map.affine, plan), grid, fill=0), label_map.names)


def stretch(shape: Sequence[int], spacing_mm: Sequence[float], grid: Grid) -> tuple[float, ...]:
    """Return how many voxels of a grid come out of one along each axis, before cropping and padding.

    Example:
        >>> stretch((512, 512, 40), (0.7, 0.7, 8.0), Grid(shape=(512, 512, 256), fit="resize"))
        (1.0, 1.0, 6.4)
    """
    return tuple(axis.out / axis.size for axis in _axes(shape, spacing_mm, grid))


def _plan(image: Volume | LabelMap, grid: Grid) -> list[_Axis]:
    """Return how each axis is resampled before it is cropped or padded.

    Raises:
        GeometryError: no machine could hold the result.
    """
    plan = _axes(image.shape, image.spacing_mm, grid)
    for out in ([axis.out for axis in plan], _shape_on(grid, [axis.out for axis in plan])):
        if math.prod(out) > _MOST_VOXELS:
            sizes, steps = (" x ".join(f"{value:g}" for value in values) for values in (out, image.spacing_mm))
            raise GeometryError(
                f"a volume with voxels of {steps} mm would have {sizes} of them on the grid: correct its header's "
                "spacing, or ask for a smaller grid"
            )
    return plan


def _axes(shape: Sequence[int], spacing_mm: Sequence[float], grid: Grid) -> list[_Axis]:
    if grid.fit == "resize":
        assert grid.shape is not None  # the grid checks
        return [_centred_axis(size, out, size / out) for size, out in zip(shape, grid.shape)]
    if grid.spacing_mm is None:
        return [_Axis(size, size) for size in shape]
    axis_to = _centred_axis_to if grid.convention == "centred" else _monai_axis_to
    return [axis_to(*axis) for axis in zip(shape, spacing_mm, grid.spacing_mm)]


def _centred_axis(size: int, out: int, step: float) -> _Axis:
    return _Axis(size, out, step, (size - 1) / 2 - (out - 1) / 2 * step, max(1.0, step))


def _centred_axis_to(size: int, spacing: float, wanted: float) -> _Axis:
    step = wanted / spacing
    if math.isclose(step, 1.0, rel_tol=_SAME_SPACING):
        return _Axis(size, size)
    return _centred_axis(size, max(1, round(size / step)), step)


def _monai_axis_to(size: int, spacing: float, wanted: float) -> _Axis:
    """Return what MONAI's ``Spacing`` does with its defaults (scale_extent False, align_corners False, border)."""
    if abs(wanted - spacing) <= _SAME_SPACING_MM:
        return _Axis(size, size)
    return _Axis(size, round((size - 1) * spacing / wanted + 1), wanted / spacing)


def _resample(hu: np.ndarray, number: int, axis: _Axis) -> np.ndarray:
    if not axis.changes:
        return hu
    rows = np.moveaxis(hu, number, 0)
    flat = _weights(axis) @ rows.reshape(rows.shape[0], -1)
    return np.ascontiguousarray(np.moveaxis(flat.reshape(axis.out, *rows.shape[1:]), 0, number))


def _weights(axis: _Axis) -> csr_array:
    """Return the (out, size) sparse matrix of a triangle kernel."""
    from scipy.sparse import csr_array

    positions = axis.positions
    taps = np.floor(positions - axis.reach).astype(np.intp)[:, None] + np.arange(math.ceil(2 * axis.reach) + 2)
    heights = (1 - np.abs(taps - positions[:, None]) / axis.reach).clip(0, None) * ((taps >= 0) & (taps < axis.size))
    heights /= heights.sum(axis=1, keepdims=True)
    rows, columns = np.nonzero(heights)
    return csr_array(
        (heights[rows, columns].astype(np.float32), (rows, taps[rows, columns])), shape=(axis.out, axis.size)
    )


def _resampled_affine(affine: np.ndarray, plan: Sequence[_Axis]) -> np.ndarray:
    steps = [axis.step for axis in plan]
    return _moved(affine @ np.diag([*steps, 1.0]), affine[:3, :3] @ [axis.start for axis in plan])


def _fitted(voxels: np.ndarray, affine: np.ndarray, grid: Grid, *, fill: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop or pad each axis about the centre; an odd voxel is padded at the end.

    An odd voxel is cropped at the end too, but MONAI's ``CenterSpatialCrop`` takes it from the start where an even
    axis is cropped to an odd one.
    """
    shape = _shape_on(grid, voxels.shape)
    if voxels.shape == shape:
        return voxels, affine
    halves = (
        size // 2 - out // 2 if grid.convention == "monai" else (size - out) // 2
        for size, out in zip(voxels.shape, shape)
    )
    crop = [max(0, half) for half in halves]
    pad = [max(0, (out - size) // 2) for size, out in zip(voxels.shape, shape)]
    kept = [min(size, out) for size, out in zip(voxels.shape, shape)]
    result = np.full(shape, fill, dtype=voxels.dtype)
    inner = tuple(slice(first, first + length) for first, length in zip(pad, kept))
    result[inner] = voxels[tuple(slice(first, first + length) for first, length in zip(crop, kept))]
    return result, _moved(affine, affine[:3, :3] @ (np.array(crop) - np.array(pad)))


def _shape_on(grid: Grid, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape that cropping and padding leave of a resampled volume."""
    if grid.shape is None or grid.fit == "keep":
        return tuple(shape)
    either = {"crop": min, "pad": max}.get(grid.fit)
    return tuple(map(either, shape, grid.shape)) if either else grid.shape


def _moved(affine: np.ndarray, shift_mm: np.ndarray) -> np.ndarray:
    moved = affine.copy()
    moved[:3, 3] += shift_mm
    return moved
