"""Room on the disk, looked at before anything long begins."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from medbench.errors import StorageError

_VOXEL_BYTES: Final = 2
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
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed_bytes > free:
        raise StorageError(
            f"{what} needs {needed_bytes / 1e9:.2f} GB more and {folder} has {free / 1e9:.2f} GB left: free some "
            "space and run the same command again"
        )


def least_bytes(shape: Sequence[int]) -> float:
    """Return what a packed volume of these voxels (int16) takes on the disk at the very least.

    Example:
        >>> least_bytes((512, 512, 256)) / 2**20
        6.4
    """
    return _VOXEL_BYTES * math.prod(shape) / _TIGHTEST
