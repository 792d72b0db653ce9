"""One door for every format: a path in, an RAS+ array in HU and its affine out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medbench.errors import DataError, FormatError
from medbench.formats.dicom import read_dicom
from medbench.formats.folder import suffix_of
from medbench.formats.geometry import to_ras
from medbench.formats.metaimage import read_metaimage
from medbench.formats.nifti import read_nifti
from medbench.formats.nrrd import read_nrrd
from medbench.formats.stored import Stored, hounsfield

_READERS: dict[str, Callable[[Path], Stored]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mhd": read_metaimage,
    ".mha": read_metaimage,
    ".nrrd": read_nrrd,
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
            stored = _reader(path)(path)
            return to_ras(hounsfield(path, stored), stored.affine)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _reader(path: Path) -> Callable[[Path], Stored]:
    if path.is_dir():
        return read_dicom
    if not path.exists():
        raise DataError(f"{path}: no such file or folder: check the path")
    reader = _READERS.get(suffix_of(path))
    if reader is None:
        known = ", ".join(_READERS)
        raise FormatError(f"{path}: unknown format: give one of {known}, or the folder of a DICOM series")
    if path.stat().st_size == 0:
        raise FormatError(f"{path}: the file is empty: copy or export it again")
    return reader
