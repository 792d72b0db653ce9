"""A mask and the volume that it was drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import Header, read_header
from medbench.imaging.formats.geometry import displacement, same_grid, spacing_of
from medbench.imaging.volume import LabelMap

_TOLD = 1e-3  # voxels


def read_mask(path: Path, volume_path: Path, names: Mapping[int, str] | None) -> LabelMap:
    """Read the mask of a volume.

    Args:
        path: the mask.
        volume_path: its volume.
        names: the region of each label value; None for ``label_<value>``.

    Raises:
        DataError: see ``LabelMap.read``.
        GeometryError: the mask lies on another grid than the volume.
    """
    mask, volume = read_header(path), read_header(volume_path)
    if not same_grid(mask, volume):
        raise GeometryError(
            f"{path} {_grid(mask)} is not on the grid of {volume_path} {_grid(volume)}"
            f"{_turn(mask, volume)}: resample the mask to its volume (nearest label)"
        )
    return LabelMap.read(path, names)


def mask_findings(path: Path, volume_path: Path) -> list[Finding]:
    """Return what the headers of a mask and its volume say that was accepted with a tolerance, or may mislead.

    Raises:
        DataError: a header that cannot be read.
    """
    mask, volume = read_header(path), read_header(volume_path)
    found = list(mask.findings)
    if mask.scaled:
        told = "its labels are stored with a slope or an intercept: they are rounded to integers"
        found.append(Finding("note", str(path), "mask", told))
    if same_grid(mask, volume) and (apart := displacement(mask, volume)) > _TOLD:
        told = f"it lies {apart:.4f} voxels beside its volume: taken for the same grid"
        found.append(Finding("note", str(path), "mask", told))
    return found


def _grid(image: Header) -> str:
    shape = "x".join(map(str, image.shape))
    spacing = "x".join(f"{step:.5f}" for step in spacing_of(image.affine))
    origin = ", ".join(f"{value:.4f}" for value in image.affine[:3, 3])
    return f"({shape} voxels of {spacing} mm from {origin})"


def _turn(a: Header, b: Header) -> str:
    """Return in words by how much two grids are turned against each other, which their sizes do not show."""
    cosines = np.sum(a.affine[:3, :3] / spacing_of(a.affine) * b.affine[:3, :3] / spacing_of(b.affine), axis=0)
    degrees = float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())
    return f", turned by {degrees:.3f} degrees" if degrees > 1e-2 else ""
