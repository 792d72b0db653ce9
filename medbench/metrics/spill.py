"""Arrays of all volumes at once, in bounded memory: what is beyond the bound lies in a file that goes with its user."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from medbench.storage.files import storage_errors

MOST_BYTES = 2**30


def held(
    arrays: Iterable[np.ndarray], folder: Callable[[], Path], *, most_bytes: int | None = None
) -> list[np.ndarray]:
    """Return arrays that can be read again and again; those beyond a bound are mapped from a file without a name.

    Args:
        arrays: of one type.
        folder: where the file is made if it is needed.
        most_bytes: of memory; ``MOST_BYTES`` unless said otherwise.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    left = MOST_BYTES if most_bytes is None else most_bytes
    found: list[np.ndarray] = []
    stream = iter(arrays)
    for array in stream:
        if array.nbytes > left:
            return found + _mapped(itertools.chain([array], stream), folder())
        left -= array.nbytes
        found.append(array)
    return found


def _mapped(arrays: Iterable[np.ndarray], folder: Path) -> list[np.ndarray]:
    shapes = []
    with storage_errors(folder), tempfile.TemporaryFile(dir=folder) as file:
        for array in arrays:
            file.write(np.ascontiguousarray(array).data)
            shapes.append(array.shape)
        file.flush()
        whole = np.memmap(file, dtype=array.dtype, mode="r")  # keeps the file, which has no name, while it is used
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(whole, ends[:-1]), shapes)]
