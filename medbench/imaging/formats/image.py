"""One door for every format: a path in, an RAS+ array in HU and its affine out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medbench.errors import DataError, FormatError
from medbench.imaging.formats.dicom import dicom_header, read_dicom
from medbench.imaging.formats.folder import suffix_of
from medbench.imaging.formats.geometry import grid_to_ras, to_ras
from medbench.imaging.formats.metaimage import metaimage_header, read_metaimage
from medbench.imaging.formats.nifti import nifti_header, read_nifti
from medbench.imaging.formats.nrrd import nrrd_header, read_nrrd
from medbench.imaging.formats.stored import Header, Stored, hounsfield


class _Format(NamedTuple):
    read: Callable[[Path], Stored]
    header: Callable[[Path], Header]


_NIFTI = _Format(read_nifti, nifti_header)
_METAIMAGE = _Format(read_metaimage, metaimage_header)
_DICOM = _Format(read_dicom, dicom_header)
_FORMATS = {
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".mhd": _METAIMAGE,
    ".mha": _METAIMAGE,
    ".nrrd": _Format(read_nrrd, nrrd_header),
}


def read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a 3D image of any supported format.

    Args:
        path: a .nii, .nii.gz, .mhd, .mha or .nrrd file, or the folder of one DICOM series.

    Returns:
        Voxels (x, y, z), C-contiguous, int16 where all values are integers in its range, else float32; and the
        affine (4, 4), voxel index to RAS+ mm.

    Raises:
        DataError: the file is absent or unreadable; a folder without a series or with several.
        FormatError: an unknown format, a damaged file, or not one 3D volume.
        GeometryError: spacing or affine is impossible.
        IntensityError: NaN or infinite voxels; another modality than CT.
    """
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # NaN, also a signalling one, is found and told in words
            stored = _format(path).read(path)
            return to_ras(hounsfield(path, stored), stored.affine)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_header(path: Path) -> Header:
    """Return what a file says about its image, on the grid that ``read_image`` would give, without its voxels.

    Of a DICOM series every slice's header is read.

    Raises:
        DataError: the file is absent or unreadable; a folder without a series or with several.
        FormatError: an unknown format, a damaged header, a header that its file cannot keep, or not one 3D volume.
        GeometryError: spacing or affine is impossible.
        IntensityError: another modality than CT.
    """
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            header = _format(path).header(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    shape, affine = grid_to_ras(header.shape, header.affine)
    return replace(header, shape=shape, affine=affine)


def _format(path: Path) -> _Format:
    if path.is_dir():
        return _DICOM
    if not path.exists():
        raise DataError(f"{path}: no such file or folder: check the path")
    found = _FORMATS.get(suffix_of(path))
    if found is None:
        known = ", ".join(_FORMATS)
        raise FormatError(f"{path}: unknown format: give one of {known}, or the folder of a DICOM series")
    if path.stat().st_size == 0:
        raise FormatError(f"{path}: the file is empty: copy or export it again")
    return found
