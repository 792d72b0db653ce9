"""NIfTI-1 and NIfTI-2 single files (.nii, .nii.gz)."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import FormatError, GeometryError
from medbench.imaging.formats.geometry import check_affine, check_spacing, spatial_shape
from medbench.imaging.formats.stored import MAX_BYTES, Header, Stored, check_claim, read_voxels
from medbench.storage.files import atomic_path

_MM_PER_UNIT = {1: 1000.0, 3: 0.001}  # metres and micrometres; mm and "unknown" are taken as they are
_GZIP_LEVEL = 1  # CT noise hardly compresses: level 6 takes four times as long and saves a few percent


def open_nifti(path: Path) -> Stored:
    """Open a NIfTI file.

    The affine is the sform's, else the qform's, else (neither is stored) nibabel's: spacing from the header and
    an axis 0 that runs to the Left.

    Raises:
        FormatError: not the header of one 3D volume, or a claim that the file cannot keep.
        GeometryError: spacing or affine is impossible.
    """
    with _unpacked(path) as stream:
        fields = _read_fields(path, stream)
    shape = spatial_shape(path, tuple(int(size) for size in fields["dim"][1 : 1 + int(fields["dim"][0])]))
    affine, dtype, scaling = _affine(path, fields), _dtype(path, fields), _scaling(path, fields)
    oriented = bool(fields["sform_code"] > 0 or fields["qform_code"] > 0)
    header, start = Header(shape, affine, dtype, scaling != (1.0, 0.0), oriented), _offset(path, fields)
    check_claim(path, claimed=start + header.nbytes, stored=path.stat().st_size, compressed=_is_packed(path))

    def read() -> np.ndarray:
        with _unpacked(path) as stream:
            return read_voxels(path, stream, header, start=start)

    return Stored(header, read, *scaling)


def write_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray, *, gzip_level: int = _GZIP_LEVEL) -> None:
    """Write a NIfTI-1 file, whole or not at all; equal input gives equal bytes.

    Args:
        path: ends in .nii or .nii.gz.
        voxels: (x, y, z) int16 or uint8.
        affine: (4, 4), voxel index to RAS+ mm; stored as sform and, without any shear, as qform.
        gzip_level: of a .nii.gz, 0 to 9; with 0, files of one shape are equally long.

    Raises:
        FormatError: another suffix.
        StorageError: the disk is full or the folder not writable.
    """
    import nibabel

    header_type: Any = nibabel.Nifti1Header  # nibabel carries no types
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise FormatError(f"{path}: volumes are written as NIfTI: choose a name that ends in .nii.gz or .nii")
    header = header_type(endianness="<")
    header.set_data_dtype(voxels.dtype.newbyteorder("<"))
    header.set_data_shape(voxels.shape)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1, strip_shears=True)
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = 352
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        # No file name and no time in the gzip header, or equal volumes would differ.
        packed = gzip.GzipFile("", "wb", gzip_level, file, mtime=0) if _is_packed(path) else None
        with packed or contextlib.nullcontext(file) as stream:
            stream.write(header.binaryblock + b"\0\0\0\0")  # the four bytes say that no header extension follows
            for index in range(voxels.shape[2]):
                stream.write(voxels[..., index].astype(voxels.dtype.newbyteorder("<")).tobytes(order="F"))


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _unpacked(path: Path) -> Any:
    return gzip.open(path) if _is_packed(path) else path.open("rb")


def _read_fields(path: Path, stream: Any) -> Any:
    """Return nibabel's header unchecked: its own checks mend in silence what must be refused here."""
    import nibabel

    try:
        block = stream.read(540)
    except gzip.BadGzipFile as error:
        raise FormatError(
            f"{path}: not gzip data in spite of its name: if it is plain NIfTI, rename it to .nii"
        ) from error
    except (EOFError, zlib.error) as error:
        raise FormatError(f"{path}: truncated or damaged within the header: copy or export it again") from error
    kinds: Any = ((348, nibabel.Nifti1Header, b"n+1"), (540, nibabel.Nifti2Header, b"n+2"))
    for size, kind, magic in kinds:
        if len(block) >= size and size in (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big")):
            header = kind(block[:size], check=False)
            if bytes(header["magic"].item())[:3] == magic and 1 <= int(header["dim"][0]) <= 7:
                return header
    raise FormatError(f"{path}: not a NIfTI file (no valid header): export it again as .nii.gz")


def _affine(path: Path, header: Any) -> np.ndarray:
    from nibabel.spatialimages import HeaderDataError

    check_spacing(path, header["pixdim"][1:4])
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1  # the standard's reading of a handedness that was never set
    try:
        affine = np.array(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(f"{path}: the qform is no rotation: write a valid orientation") from error
    affine[:3] *= _MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    check_affine(path, affine)
    return affine


def _scaling(path: Path, header: Any) -> tuple[float, float]:
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise FormatError(f"{path}: scl_slope or scl_inter is not finite: export it again") from error
    return (1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))


def _dtype(path: Path, header: Any) -> np.dtype:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype: np.dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise FormatError(f"{path}: unknown data type code {int(header['datatype'])}: export it as int16") from error
    if dtype.kind not in "iuf":
        raise FormatError(f"{path}: voxels of type {dtype} are not one number each: export them as int16")
    return dtype


def _offset(path: Path, header: Any) -> int:
    offset = float(header["vox_offset"])
    if not header.single_vox_offset <= offset <= MAX_BYTES:  # also refuses NaN
        raise FormatError(f"{path}: the header places the voxels at byte {offset:g} (vox_offset): export it again")
    return int(offset)
