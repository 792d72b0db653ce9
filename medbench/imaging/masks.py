"""A mask and the volume that it was drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medbench.errors import GeometryError
from medbench.imaging.formats import Header, read_header
from medbench.imaging.formats.geometry import same_grid, spacing_of
from medbench.imaging.volume import LabelMap


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
            f"{path} {_grid(mask)} is not on the grid of {volume_path} {_grid(volume)}: "
            "resample the mask to its volume (nearest label)"
        )
    return LabelMap.read(path, names)


def _grid(image: Header) -> str:
    shape = "x".join(map(str, image.shape))
    spacing = "x".join(f"{step:.3f}" for step in spacing_of(image.affine))
    origin = ", ".join(f"{value:.2f}" for value in image.affine[:3, 3])
    return f"({shape} voxels of {spacing} mm from {origin})"
