"""One door for every format: a path in, an RAS+ array in HU and its affine out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from medbench.errors import DataError, FormatError
from medbench.imaging.formats.content import first_bytes, is_dicom
from medbench.imaging.formats.dicom.series import open_dicom
from medbench.imaging.formats.geometry import to_ras
from medbench.imaging.formats.metaimage import open_metaimage
from medbench.imaging.formats.nifti import open_nifti
from medbench.imaging.formats.nrrd import open_nrrd
from medbench.imaging.formats.stored import Header, Stored, hounsfield
from medbench.imaging.formats.suffixes import suffix_of

_BLOCK_SLICES = 32
_OPENERS: dict[str, Callable[[Path], Stored]] = {
    ".nii": open_nifti,
    ".nii.gz": open_nifti,
    ".mhd": open_metaimage,
    ".mha": open_metaimage,
    ".nrrd": open_nrrd,
}


def read_image(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a 3D image of any supported format.

    Args:
        path: a .nii, .nii.gz, .mhd, .mha or .nrrd file, the folder of one DICOM series, or an enhanced DICOM file.

    Returns:
        Voxels (x, y, z), C-contiguous, int16 where all values are integers in its range, else float32; and the
        affine (4, 4), voxel index to RAS+ mm.

    Raises:
        DataError: the file is absent or unreadable; a folder without a series or with several.
        FormatError: an unknown format, a damaged file, or not one 3D volume.
        GeometryError: spacing or affine is impossible.
        IntensityError: NaN or infinite voxels; another modality than CT.
    """
    voxels, affine = read_view(path)
    return _in_c_order(voxels), affine


def read_view(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a 3D image like ``read_image``, its voxels in whatever memory order its file has them.

    Raises:
        DataError: see ``read_image``.
    """
    with _told(path):
        stored = _opened(path)
        return to_ras(hounsfield(path, stored), stored.header.affine)


def _in_c_order(voxels: np.ndarray) -> np.ndarray:
    """Return voxels (x, y, z) C-contiguous and writable, copied once at most.

    Files have x run fastest. A copy in blocks of 32 slices, one y after the other, keeps what it reads and writes in
    the processor's cache: NumPy's own takes six times as long.
    """
    if voxels.flags.c_contiguous:
        return voxels if voxels.flags.writeable else voxels.copy()
    ordered = np.empty(voxels.shape, dtype=voxels.dtype)
    for start in range(0, voxels.shape[2], _BLOCK_SLICES):
        block, place = voxels[..., start : start + _BLOCK_SLICES], ordered[..., start : start + _BLOCK_SLICES]
        for y in range(voxels.shape[1]):
            place[:, y] = block[:, y]
    return ordered


def read_header(path: Path) -> Header:
    """Return what a file says about its image, on the grid that ``read_image`` would give, without its voxels.

    Of a DICOM series every slice's header is read.

    Raises:
        DataError: see ``read_image``; what the voxels hold is not looked at.
    """
    with _told(path):
        header = _opened(path).header
    turned, affine = to_ras(np.broadcast_to(0, header.shape), header.affine)
    x, y, z = turned.shape
    return replace(header, shape=(x, y, z), affine=affine, stored_affine=header.affine)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell in words what the system cannot read; NaN, also a signalling one, is found and told without a warning."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into this machine's memory: crop or resample it") from error


def _opened(path: Path) -> Stored:
    if path.is_dir():
        return open_dicom(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder: check the path")
    opener = _OPENERS.get(suffix_of(path))
    if opener is None and is_dicom(first_bytes(path)):
        return open_dicom(path)
    if opener is None:
        known = ", ".join(_OPENERS)
        raise FormatError(f"{path}: unknown format: give one of {known}, or the folder of a DICOM series")
    if path.stat().st_size == 0:
        raise FormatError(f"{path}: the file is empty: copy or export it again")
    return opener(path)
