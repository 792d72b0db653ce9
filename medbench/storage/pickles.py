"""Checkpoints that another program unpickles without restraint are looked through before it gets them.

nnU-Net, and so TotalSegmentator, loads checkpoints with ``weights_only=False``: a poisoned one runs its code.
"""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

from medbench.errors import CheckpointError
from medbench.storage.files import sha256_once

# What nnU-Net keeps beside tensors: the losses of its epochs, as numbers of NumPy.
_NUMBERS: Final = (np.float32, np.float64, np.int32, np.int64, np.bool_)


def require_plain(path: Path) -> None:
    """Refuse a file that torch saved where loading it could run code: it may hold tensors, numbers, texts and lists.

    torch's own restricted reader goes through it; tensors stay on the disk. A file is gone through once a process,
    unless it changes.

    Raises:
        CheckpointError: it holds something else, or is damaged.
    """
    _go_through(path, sha256_once(path))


@functools.lru_cache(maxsize=256)
def _go_through(path: Path, sha256: str) -> None:
    del sha256  # a file that has changed is another one
    import torch

    try:
        with torch.serialization.safe_globals(_known()):
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds something besides tensors and numbers (it may be code), which is not loaded: get it again"
        ) from error
    except (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no readable checkpoint: get it again") from error


def _known() -> list[Any]:
    scalar = np.float64(0).__reduce__()[0]
    named = [(scalar, f"numpy.{package}.multiarray.scalar") for package in ("core", "_core")]
    return [*named, np.dtype, *_NUMBERS, *(type(np.dtype(number)) for number in _NUMBERS)]
