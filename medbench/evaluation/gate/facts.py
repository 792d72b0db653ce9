"""What the gate knows of a volume: measured once, cached as JSON by the file's hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medbench.errors import IntensityError
from medbench.evaluation.cache import Cache
from medbench.evaluation.opened import Opened
from medbench.imaging.formats import Header, read_header
from medbench.imaging.hounsfield import Intensities, intensities
from medbench.imaging.volume import Volume
from medbench.progress import Progress
from medbench.records.samples import StoredVolume

_KIND, _SETTINGS = "facts", {"version": "3"}


class Facts(Intensities):
    """What the gate knows of a volume; strict JSON.

    ``constant_slices`` is the share of slices of each plane whose voxels are all equal; ``voxels_sha256`` leaves out
    the affine, so that a copy with another header is still a copy; ``stored_affine`` is the file's own, before its axes
    were turned to RAS+.
    """

    shape: list[int]
    spacing_mm: list[float]
    constant_slices: dict[str, float]
    voxels_sha256: str
    orientation_stored: bool
    stored_affine: list[list[float]]


def facts(volume: Volume, *, header: Header | None = None, file: Path | str = "a volume in memory") -> Facts:
    """Measure what the gate must know of a volume (in HU), and of the header of its file, where it has one.

    Raises:
        IntensityError: NaN or infinite voxels; the message names ``file``.
    """
    voxels = volume.voxels
    low_yz, high_yz = voxels.min(axis=0), voxels.max(axis=0)  # (y, z)
    if not (np.all(np.isfinite(low_yz)) and np.all(np.isfinite(high_yz))):
        raise IntensityError(f"{file} holds NaN or infinite voxels: correct what made it")
    constant = {
        "xy": low_yz.min(axis=0) == high_yz.max(axis=0),
        "yz": voxels.min(axis=(1, 2)) == voxels.max(axis=(1, 2)),
        "zx": low_yz.min(axis=1) == high_yz.max(axis=1),
    }
    stored = volume.affine if header is None or header.stored_affine is None else header.stored_affine
    return Facts(
        **intensities(volume, header=header),
        shape=list(volume.shape),
        spacing_mm=[round(spacing, 6) for spacing in volume.spacing_mm],
        constant_slices={plane: float(np.mean(slices)) for plane, slices in constant.items()},
        voxels_sha256=Volume(voxels).content_hash(),
        orientation_stored=header is None or header.orientation_stored,
        stored_affine=(np.round(stored, 6) + 0.0).tolist(),
    )


def file_facts(path: Path, read: Callable[[], Volume] | None = None) -> Facts:
    """Read a volume and measure it.

    Args:
        path: its file.
        read: hands the volume over where somebody has read it already.

    Raises:
        DataError: the file cannot be read as a volume.
    """
    return facts(read() if read else Volume.read(path), header=read_header(path), file=path)


def known_facts(opened: Opened, cache: Cache) -> Facts:
    """Return the facts about a volume from the cache; measured, and kept there, where they are absent.

    Raises:
        DataError: the file cannot be read as a volume.
    """
    item = opened.item
    found: Facts = cache.document(_KIND, item.sha256, _SETTINGS, lambda: file_facts(item.path, opened.stored))
    return found


def is_known(item: StoredVolume, cache: Cache, progress: Progress) -> bool:
    """Say whether the cache has the facts about a volume; ``progress`` is told if they are damaged."""
    return cache.has(cache.entry(_KIND, item.sha256, _SETTINGS, ".json"), progress)
