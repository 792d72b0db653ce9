"""Volumes as a browser takes them: int16 HU, little-endian, x fastest, one axial slice after the other."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from medbench.imaging.formats.geometry import spacing_of
from medbench.imaging.formats.image import read_view
from medbench.imaging.volume import as_int16


@dataclass(frozen=True, eq=False)
class AxialSlices:
    """A volume cut into axial slices.

    Args:
        voxels: (z, y, x), little-endian int16 HU, C-contiguous; axes run to Superior, Anterior, Right.
        spacing_mm: distance between voxel centres along x, y, z.
    """

    voxels: np.ndarray
    spacing_mm: tuple[float, float, float]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a volume of any format that medbench reads.

        Raises:
            DataError: see ``medbench.imaging.formats.read_image``.
        """
        voxels, affine = read_view(path)
        return cls.of(voxels, affine)

    @classmethod
    def of(cls, voxels: np.ndarray, affine: np.ndarray) -> Self:
        """Cut voxels (x, y, z), int16 or float32 HU; float32 is rounded. int16 that lies x fastest is not copied."""
        slices = np.ascontiguousarray(as_int16(voxels).transpose(2, 1, 0), dtype="<i2")
        return cls(slices, spacing_of(affine))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        z, y, x = self.voxels.shape
        return (x, y, z)

    def slab(self, first: int, count: int) -> bytes:
        """Return the bytes of ``count`` slices from ``first`` on.

        Raises:
            IndexError: not all of them exist.
        """
        if first < 0 or count < 1 or first + count > len(self.voxels):
            raise IndexError(f"there are {len(self.voxels)} slices: {first} to {first + count - 1} cannot be had")
        return self.voxels[first : first + count].tobytes()


class SliceCache:
    """The volumes that were asked for last; one that several threads want is read once, and two at most at a time.

    Args:
        read: returns the volume of a name.
        most_bytes: of voxels in memory; one volume is kept however large it is.
    """

    def __init__(self, read: Callable[[str], AxialSlices], most_bytes: int = 2**30) -> None:
        self._reader = read
        self._most_bytes = most_bytes
        self._held: OrderedDict[str, Future[AxialSlices]] = OrderedDict()
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(2)

    def get(self, name: str) -> AxialSlices:
        """Return a volume, from memory or read now.

        Raises:
            Exception: what ``read`` raised; the next call tries again.
        """
        with self._lock:
            future = self._held.get(name)
            if future is None or (future.done() and future.exception() is not None):
                future = self._held[name] = self._readers.submit(self._reader, name)
            self._held.move_to_end(name)
        volume = future.result()
        with self._lock:
            while self._bytes() > self._most_bytes and len(self._held) > 1:
                self._held.popitem(last=False)
        return volume

    def _bytes(self) -> int:
        read = [future for future in self._held.values() if future.done() and future.exception() is None]
        return sum(future.result().voxels.nbytes for future in read)
