"""A CT volume in Hounsfield units and a label map, both with RAS+ axes and an affine in mm."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from medbench.errors import FormatError, IntensityError
from medbench.imaging.formats.geometry import check_affine, spacing_of
from medbench.imaging.formats.image import read_image
from medbench.imaging.formats.nifti import write_nifti

_INT16 = np.iinfo(np.int16)
_ROUNDING = 0.01

UNNAMED = "label_"
"""How the name of a label value begins that nobody has named."""


@dataclass(frozen=True, eq=False)
class _OnGrid:
    """Voxels of certain types and where they lie; what a volume and a label map share."""

    _what: ClassVar[str]
    _types: ClassVar[tuple[type[np.generic], ...]]

    voxels: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or 0 in self.voxels.shape:
            raise FormatError(f"a {self._what} needs voxels along x, y and z, got shape {self.voxels.shape}")
        if self.voxels.dtype not in self._types:
            wanted = " or ".join(np.dtype(kind).name for kind in self._types)
            raise FormatError(f"a {self._what}'s voxels must be {wanted}, got {self.voxels.dtype}: convert them")
        object.__setattr__(self, "affine", np.asarray(self.affine, dtype=np.float64))
        check_affine(self._what, self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        x, y, z = self.voxels.shape
        return (x, y, z)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x, y, z in mm."""
        return spacing_of(self.affine)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL; on a sheared grid it is less than the product of the three steps."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def write(self, path: Path | str) -> None:
        """Write int16 HU (rounded, clipped to int16) or uint8 labels, without their names, as .nii.gz or .nii.

        Equal content gives equal bytes.

        Raises:
            FormatError: another suffix.
            IntensityError: NaN or infinite voxels.
            StorageError: the disk is full or the folder not writable.
        """
        if self.voxels.dtype == np.float32 and not np.all(np.isfinite(self.voxels)):
            raise IntensityError(f"{path}: not written: the volume holds NaN or infinite voxels")
        write_nifti(Path(path), self._stored(), self.affine)

    def content_hash(self) -> str:
        """Return the SHA-256 over shape, voxels (as int16 HU, or uint8 labels) and the affine to 1e-4, in hex.

        A volume keeps its hash when it is written and read again.
        """
        voxels = self._stored()
        digest = hashlib.sha256(f"{self._what} {voxels.shape} {voxels.dtype.name}".encode())
        affine = self.affine.astype(np.float32).astype(np.float64)  # a NIfTI file keeps float32
        digest.update((np.round(affine, 4) + 0.0).astype("<f8").tobytes())  # + 0.0 turns -0.0 into 0.0
        for plane in voxels:
            digest.update(plane.astype(voxels.dtype.newbyteorder("<")).tobytes(order="C"))
        return digest.hexdigest()

    def _stored(self) -> np.ndarray:
        return as_int16(self.voxels) if self.voxels.dtype == np.float32 else self.voxels


@dataclass(frozen=True, eq=False)
class Volume(_OnGrid):
    """A CT volume.

    Args:
        voxels: (x, y, z), int16 or float32, Hounsfield units; x grows to the Right, y to Anterior, z to Superior.
        affine: (4, 4) float64, voxel index to RAS+ millimetres.

    Raises:
        FormatError: voxels of another type or not 3D.
        GeometryError: the affine is not finite, or singular.
    """

    _what = "volume"
    _types = (np.int16, np.float32)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a NIfTI, MetaImage or NRRD file, or the folder of one DICOM series, in HU and RAS+.

        Raises:
            DataError: see ``medbench.imaging.formats.read_image``; the message names the file and the mend.
        """
        return cls(*read_image(Path(path)))


@dataclass(frozen=True, eq=False)
class LabelMap(_OnGrid):
    """Regions of a volume.

    Args:
        voxels: (x, y, z) uint8, 0 is background.
        affine: (4, 4) float64, voxel index to RAS+ millimetres.
        names: the region of each label value.

    Raises:
        FormatError: voxels of another type or not 3D.
        GeometryError: the affine is not finite, or singular.
    """

    _what = "label map"
    _types = (np.uint8,)

    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str, names: Mapping[int, str] | None = None) -> Self:
        """Read a label map of any format that a volume may have.

        Args:
            path: as for ``Volume.read``.
            names: the region of each label value; None names the values that occur ``label_<value>``.

        Raises:
            DataError: see ``medbench.imaging.formats.read_image``.
            FormatError: values other than the integers 0 to 255 (to a hundredth: a stored slope leaves 0.996 of 1).
        """
        values, affine = read_image(Path(path))
        if values.dtype == np.float32:
            values = _whole(Path(path), values)
        if values.dtype != np.int16 or values.min() < 0 or values.max() > np.iinfo(np.uint8).max:
            found = f"{values.min():g} to {values.max():g} ({values.dtype})"
            raise FormatError(f"{path}: not a label map: labels are integers from 0 to 255, found {found}")
        voxels = values.astype(np.uint8)
        if names is None:
            counts = np.sum([np.bincount(plane.ravel(), minlength=256) for plane in voxels], axis=0)
            names = {int(value): f"{UNNAMED}{value}" for value in np.flatnonzero(counts) if value > 0}
        return cls(voxels, affine, names)


def _whole(path: Path, values: np.ndarray) -> np.ndarray:
    """Return labels that a stored slope made fractions of as the integers that they were."""
    labels = as_int16(values)
    off = np.abs(values - labels)
    if off.max() > _ROUNDING:
        found = f"{values.flat[int(off.argmax())]:g} ({values.dtype})"
        raise FormatError(f"{path}: not a label map: labels are integers from 0 to 255, found {found}")
    return labels


def as_int16(hu: np.ndarray) -> np.ndarray:
    """Return HU rounded to the nearest integer (halves to even) and clipped to int16; int16 is returned as it is."""
    if hu.dtype == np.int16:
        return hu
    rounded: np.ndarray = np.clip(np.rint(hu), _INT16.min, _INT16.max).astype(np.int16)
    return rounded
