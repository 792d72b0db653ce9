"""Affines: what makes one valid, and the turn of axes to RAS+."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from medbench.errors import FormatError, GeometryError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

_POSSIBLE_MM = (1e-4, 1e3)  # wider than any scanner's; a header beyond them has lost its units
_SAME_PLACE = 0.01  # share of a voxel
_SAME_STEP = 1e-3  # share of a voxel's edge: float32, often rounded to three digits


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Return the distance between voxel centres along the three array axes, in the affine's unit."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return (float(x), float(y), float(z))


def shear_degrees(affine: np.ndarray) -> float:
    """Return by how much the most oblique pair of voxel axes misses the right angle.

    Example:
        >>> round(shear_degrees(np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])))
        45
    """
    directions = affine[:3, :3] / spacing_of(affine)
    cosines = (directions.T @ directions)[np.triu_indices(3, 1)]
    return float(np.degrees(np.arcsin(np.clip(np.abs(cosines).max(), 0, 1))))


def axes_of(affine: np.ndarray) -> str:
    """Return where the array axes run, a letter each (Left, Right, Anterior, Posterior, Superior, Inferior).

    Example:
        >>> axes_of(np.diag([-0.7, -0.7, 1.5, 1.0]))
        'LPS'
    """
    import nibabel.orientations

    turning: Any = nibabel.orientations  # its functions carry no types
    return "".join(turning.aff2axcodes(affine))


def affine_from(
    where: Path | str, directions: np.ndarray, spacing: ArrayLike, origin: ArrayLike, to_ras: np.ndarray = LPS_TO_RAS
) -> np.ndarray:
    """Compose an affine.

    Args:
        where: the file, for the message.
        directions: (3, 3), a column for each array axis.
        spacing: (3,), voxel distance along each array axis, in lengths of its column.
        origin: (3,), the world position of voxel (0, 0, 0).
        to_ras: (4, 4), that world to RAS+ mm.

    Returns:
        (4, 4) float64, voxel index to RAS+ mm.

    Raises:
        GeometryError: spacing or orientation is impossible.
    """
    check_spacing(where, np.linalg.norm(directions, axis=0) * np.asarray(spacing))
    affine = np.eye(4)
    affine[:3, :3] = directions * np.asarray(spacing, dtype=np.float64)
    affine[:3, 3] = origin
    affine = to_ras @ affine
    check_affine(where, affine)
    return affine


def check_spacing(where: Path | str, spacing: ArrayLike) -> None:
    """Refuse a stored spacing that is not three positive numbers of mm.

    Raises:
        GeometryError: zero, negative, NaN or infinite spacing, or one that no CT can have.
    """
    values = np.asarray(spacing, dtype=np.float64)
    stored = ", ".join(f"{value:g}" for value in values)
    if not (np.all(np.isfinite(values)) and np.all(values > 0)):
        raise GeometryError(f"{where}: voxel spacing ({stored}) must be positive: correct the header's spacing in mm")
    _check_size(where, values)


def _check_size(where: Path | str, spacing: np.ndarray) -> None:
    low, high = _POSSIBLE_MM
    if np.any(spacing < low) or np.any(spacing > high):
        stored = ", ".join(f"{value:g}" for value in spacing)
        raise GeometryError(f"{where}: no CT has voxels of ({stored}) mm: correct the header's spacing or its units")


def check_affine(where: Path | str, affine: np.ndarray) -> None:
    """Refuse an affine that places voxels nowhere or several at one place.

    Raises:
        GeometryError: not (4, 4), not finite, or singular.
    """
    if affine.shape != (4, 4):
        raise GeometryError(f"{where}: the affine must be (4, 4), not {affine.shape}")
    if not np.all(np.isfinite(affine)):
        raise GeometryError(f"{where}: the affine holds NaN or infinite values: write a valid orientation and spacing")
    if not np.allclose(affine[3], (0, 0, 0, 1)):
        raise GeometryError(f"{where}: the affine's last row must be 0 0 0 1")
    spacing = np.asarray(spacing_of(affine))
    if np.any(spacing <= 0):
        raise GeometryError(f"{where}: the affine is singular (an axis has no length): write a valid spacing")
    _check_size(where, spacing)
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-6:
        raise GeometryError(f"{where}: the affine is singular (axes are parallel): write a valid orientation")


def spatial_shape(where: Path | str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the three spatial sizes of a stored shape; further axes may only be of size one.

    Raises:
        FormatError: not one 3D volume.
    """
    if any(size < 1 for size in shape):
        raise FormatError(f"{where}: the header claims the impossible shape {shape}: export the file again")
    leading = next((axis for axis, size in enumerate(shape) if size > 1), 0)
    if leading and len(shape) - leading >= 3 and min(shape[leading : leading + 3]) > 1:
        axes = "a channel axis" if leading == 1 else "batch and channel axes"
        raise FormatError(
            f"{where}: shape {shape} has {axes} in front of a 3D volume: drop the first "
            f"{'axis' if leading == 1 else f'{leading} axes'} (numpy.squeeze) before saving"
        )
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise FormatError(
            f"{where}: a 3D volume is needed, this image of shape {shape} is 2D: join the slices in one file"
        )
    if any(size != 1 for size in shape[3:]):
        raise FormatError(f"{where}: one 3D volume is needed, shape {shape} holds several: write one file a volume")
    x, y, z = shape[:3]
    return (x, y, z)


def to_ras(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Permute and flip axes until they run closest to Right, Anterior, Superior; nothing is interpolated.

    Args:
        voxels: (i, j, k).
        affine: (4, 4), valid, voxel index to RAS+ mm.

    Returns:
        A view (x, y, z) of the voxels, and their affine; an oblique affine stays oblique.
    """
    import nibabel.orientations

    turning: Any = nibabel.orientations  # its functions carry no types
    orientation = turning.io_orientation(affine)
    return turning.apply_orientation(voxels, orientation), affine @ turning.inv_ornt_aff(orientation, voxels.shape)


class Gridded(Protocol):
    """Anything on a voxel grid: a volume, a label map, a file's header."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""

    @property
    def affine(self) -> np.ndarray:
        """Voxel index to world, (4, 4), mm."""


def displacement(a: Gridded, b: Gridded) -> float:
    """Return how far apart two images of one shape place their first voxels, in voxels of the first."""
    return float(np.abs(np.linalg.solve(a.affine, b.affine) - np.eye(4))[:3, 3].max())


def same_grid(a: Gridded, b: Gridded) -> bool:
    """Return whether two images have one shape and place their voxels alike.

    The first voxels lie within a hundredth of a voxel of each other, and the steps agree to a thousandth.
    """
    if a.shape != b.shape:
        return False
    steps = np.abs(np.linalg.solve(a.affine, b.affine) - np.eye(4))[:3, :3].max()
    return displacement(a, b) <= _SAME_PLACE and bool(steps <= _SAME_STEP)
