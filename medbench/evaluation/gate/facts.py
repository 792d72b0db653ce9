"""What the gate knows of a volume: measured once, cached as JSON by the file's hash."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import numpy as np

from medbench.errors import IntensityError
from medbench.imaging.formats import Header, read_header
from medbench.imaging.volume import Volume

FACTS_VERSION = "2"


class Facts(TypedDict):
    """What the gate knows of a volume; strict JSON.

    ``constant_slices`` is the share of slices of each plane whose voxels are all equal; ``voxels_sha256`` leaves out
    the affine, so that a copy with another header is still a copy; ``stored_type`` is the voxels' type on disk (such
    as uint16) and ``scaled`` whether a slope or an intercept made HU of it.
    """

    shape: list[int]
    spacing_mm: list[float]
    min_hu: float
    max_hu: float
    constant_slices: dict[str, float]
    voxels_sha256: str
    orientation_stored: bool
    stored_type: str
    scaled: bool


def facts(volume: Volume, *, header: Header | None = None) -> Facts:
    """Measure what the gate must know of a volume (in HU), and of the header of its file, where it has one.

    Raises:
        IntensityError: NaN or infinite voxels (files that hold them are refused when they are read).
    """
    voxels = volume.voxels
    low_yz, high_yz = voxels.min(axis=0), voxels.max(axis=0)  # (y, z)
    if not (np.all(np.isfinite(low_yz)) and np.all(np.isfinite(high_yz))):
        raise IntensityError("a volume holds NaN or infinite voxels: correct what made it")
    constant = {
        "xy": low_yz.min(axis=0) == high_yz.max(axis=0),
        "yz": voxels.min(axis=(1, 2)) == voxels.max(axis=(1, 2)),
        "zx": low_yz.min(axis=1) == high_yz.max(axis=1),
    }
    return Facts(
        shape=list(volume.shape),
        spacing_mm=[round(spacing, 6) for spacing in volume.spacing_mm],
        min_hu=float(low_yz.min()),
        max_hu=float(high_yz.max()),
        constant_slices={plane: float(np.mean(slices)) for plane, slices in constant.items()},
        voxels_sha256=Volume(voxels).content_hash(),
        orientation_stored=header is None or header.orientation_stored,
        stored_type=(header or volume.voxels).dtype.name,
        scaled=header is not None and header.scaled,
    )


def file_facts(path: Path) -> Facts:
    """Read a volume and measure it.

    Raises:
        DataError: the file cannot be read as a volume.
    """
    return facts(Volume.read(path), header=read_header(path))
