"""Volumes packed for a page: exact, in about a byte a voxel, and at the finest grid that a number of bytes allows.

CT noise leaves little to a general compressor. Each voxel is stored as its difference from the one before it, folded
to a positive number, and the low bytes apart from the high ones: deflate then needs a fifth less.
"""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.formats.geometry import same_grid
from medbench.imaging.grid import label_map_to_grid, to_grid
from medbench.imaging.volume import LabelMap, Volume, as_int16
from medbench.spec import Grid

CHARACTERS_A_VOXEL: Final = 1.5
"""Base64 of a packed CT voxel with its label; soft kernels need 1.2, sharp ones up to 1.7."""


@dataclass(frozen=True)
class Packed:
    """A volume as text.

    Args:
        shape: voxels along x, y, z, as packed.
        spacing_mm: distance between voxel centres along x, y, z, as packed.
        full_shape: of the volume that was given.
        voxels: base64.
        labels: base64 of the label map; None: there is none.
        regions: the name of each label value.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    full_shape: tuple[int, int, int]
    voxels: str
    labels: str | None
    regions: dict[int, str]

    @property
    def characters(self) -> int:
        """How long the text is."""
        return len(self.voxels) + len(self.labels or "")

    @property
    def is_reduced(self) -> bool:
        """Whether the packed grid is coarser than the volume's."""
        return self.shape != self.full_shape


def pack(volume: Volume, labels: LabelMap | None = None, *, most_voxels: float = math.inf) -> Packed:
    """Pack a volume, averaged down to a coarser grid where it has too many voxels.

    Args:
        volume: is stored as whole HU.
        labels: on the volume's grid.
        most_voxels: see ``reduced_shape``.

    Raises:
        GeometryError: the label map lies on another grid.
    """
    if labels is not None and not same_grid(volume, labels):
        raise GeometryError("the label map lies on another grid than its volume: resample it")
    shape, names = reduced_shape(volume.shape, volume.spacing_mm, most_voxels), dict(labels.names) if labels else {}
    shown = volume
    if shape != volume.shape:
        grid = Grid(shape=shape, fit="resize")
        shown = to_grid(volume, grid)
        labels = None if labels is None else label_map_to_grid(labels, grid)
    drawn = None if labels is None else _compressed(labels.voxels.tobytes(order="F"))
    return Packed(shape, shown.spacing_mm, volume.shape, _folded(shown.voxels), drawn, names)


def reduced_shape(shape: tuple[int, int, int], spacing_mm: Sequence[float], most_voxels: float) -> tuple[int, int, int]:
    """Return the finest shape with a bounded number of voxels: the plane or the axis with the finer steps gives first.

    Args:
        shape: voxels along x, y, z.
        spacing_mm: along x, y, z.
        most_voxels: of the result.

    Example:
        >>> reduced_shape((512, 512, 256), (0.7, 0.7, 1.0), 4e6)
        (171, 171, 128)
    """
    across, through = 1, 1
    while True:
        x, y, z = (math.ceil(count / step) for count, step in zip(shape, (across, across, through)))
        if x * y * z <= most_voxels or x * y * z == 1:
            return (x, y, z)
        finer_across = across * min(spacing_mm[:2]) <= through * spacing_mm[2]
        across, through = (across + 1, through) if finer_across else (across, through + 1)


def unfolded(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the voxels (x, y, z), int16, of what ``static/packing.js`` is given: the inverse of packing.

    Args:
        data: inflated.
        shape: voxels along x, y, z.
    """
    low, high = np.frombuffer(data, np.uint8).reshape(2, -1).astype(np.uint16)
    folded = low | (high << 8)
    differences = (folded >> 1) ^ -(folded & 1)
    voxels: np.ndarray = np.cumsum(differences, dtype=np.uint16).astype(np.int16).reshape(shape, order="F")
    return voxels


def _folded(voxels: np.ndarray) -> str:
    plain = as_int16(voxels).ravel(order="F").view(np.uint16)
    differences = np.diff(plain, prepend=np.uint16(0)).view(np.int16)  # modulo 65536, like the sums that undo it
    folded = ((differences << 1) ^ (differences >> 15)).astype("<u2")
    return _compressed(folded.view(np.uint8).reshape(-1, 2).T.tobytes())


def _compressed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()
