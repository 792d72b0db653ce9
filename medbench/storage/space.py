"""Room on the disk, looked at before anything long begins."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from medbench.errors import StorageError

_VOXEL_BYTES: Final = 2
_USUAL: Final = 0.6  # of 512 x 512 x 256 chest CTs, 0.45 to 0.7
_TIGHTEST: Final = (
    20  # gzip packs CT to a half, a phantom without noise to a tenth: less than a twentieth nothing takes
)


def require_space(folder: Path, needed_bytes: float, what: str) -> None:
    """Refuse what cannot fit on the disk.

    Args:
        folder: where it is to be written; it need not exist yet.
        needed_bytes: at least.
        what: begins the message.

    Raises:
        StorageError: there is less room.
    """
    free = shutil.disk_usage(existing(folder)).free
    if needed_bytes > free:
        raise StorageError(
            f"{what} needs {needed_bytes / 1e9:.2f} GB more and {folder} has {free / 1e9:.2f} GB left: free some "
            "space and run the same command again"
        )


def existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def likely_bytes(shape: Sequence[int]) -> float:
    """Return what a packed CT of these voxels (int16) takes as a rule.

    Example:
        >>> round(likely_bytes((512, 512, 256)) / 1e6)
        81
    """
    return _USUAL * _VOXEL_BYTES * math.prod(shape)


def least_bytes(shape: Sequence[int]) -> float:
    """Return what a packed volume of these voxels (int16) takes on the disk at the very least.

    Example:
        >>> least_bytes((512, 512, 256)) / 2**20
        6.4
    """
    return _VOXEL_BYTES * math.prod(shape) / _TIGHTEST
