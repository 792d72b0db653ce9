"""NIfTI-1 and NIfTI-2 single files (.nii, .nii.gz)."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import FormatError
from medbench.imaging.findings import Finding
from medbench.imaging.formats.content import told_by
from medbench.imaging.formats.geometry import spatial_shape
from medbench.imaging.formats.nifti_affine import nifti_affine
from medbench.imaging.formats.stored import DAMAGE, Header, Stored, check_claim, most_bytes, read_voxels
from medbench.storage.files import atomic_path

_GZIP = b"\x1f\x8b"
# CT noise hardly compresses: ISA-L takes a fifth of zlib's quickest level's time for a file that is 1 % longer.
_LEVEL = 3


def open_nifti(path: Path) -> Stored:
    """Open a NIfTI file, packed or plain as its first bytes say; where sform, qform and pixdim contradict each other
    ``nifti_affine`` says which is taken.

    Raises:
        FormatError: not the header of one 3D volume, or a claim that the file cannot keep.
        GeometryError: spacing or affine is impossible.
    """
    packed = _is_packed(path)
    # gzip reads the header of a file whose end is missing, ISA-L does not: it is the voxels that are then missing.
    with gzip.open(path) if packed else path.open("rb") as stream:
        fields = _read_fields(path, stream)
    shape = spatial_shape(path, tuple(int(size) for size in fields["dim"][1 : 1 + int(fields["dim"][0])]))
    dtype, scaling, start = _dtype(path, fields), _scaling(path, fields), _offset(path, fields)
    affine, findings = nifti_affine(path, fields)
    if packed != _packed_by_name(path):
        found = "packed (gzip)" if packed else "not packed"
        findings.append(Finding("note", str(path), "container", f"its data are {found} in spite of its name"))
    oriented = bool(fields["sform_code"] > 0 or fields["qform_code"] > 0)
    header = Header(shape, affine, dtype, scaling != (1.0, 0.0), oriented, tuple(findings))
    check_claim(path, claimed=start + header.nbytes, stored=path.stat().st_size, compressed=packed)

    def read() -> np.ndarray:
        with _unpacked(path, packed) as stream:
            return read_voxels(path, stream, header, start=start)

    return Stored(header, read, *scaling)


def write_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray, *, stored: bool = False) -> None:
    """Write a NIfTI-1 file, whole or not at all; equal input gives equal bytes on one machine.

    Args:
        path: ends in .nii or .nii.gz.
        voxels: (x, y, z) int16 or uint8.
        affine: (4, 4), voxel index to RAS+ mm; stored as sform and, without any shear, as qform.
        stored: a .nii.gz holds its bytes without compression: files of one shape are equally long.

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
    packing = _packing(stored) if _packed_by_name(path) else contextlib.nullcontext
    with atomic_path(path) as temporary, temporary.open("wb") as file, packing(file) as stream:
        stream.write(header.binaryblock + b"\0\0\0\0")  # the four bytes say that no header extension follows
        for index in range(voxels.shape[2]):
            stream.write(voxels[..., index].astype(voxels.dtype.newbyteorder("<")).tobytes(order="F"))


def _packing(stored: bool) -> Any:
    """Return what packs a stream, without file name and time in its header: equal volumes are to be equal files."""
    from isal import igzip

    packer: Any = igzip.IGzipFile  # isal's is half typed
    if stored:
        return lambda file: gzip.GzipFile("", "wb", 0, file, mtime=0)
    return lambda file: packer("", "wb", _LEVEL, file, mtime=0)


def _packed_by_name(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _unpacked(path: Path, packed: bool) -> Any:
    from isal import igzip

    inflater: Any = igzip.open  # ISA-L takes half of zlib's time, and checks as gzip does; its types are half there
    return inflater(path) if packed else path.open("rb")


def _read_fields(path: Path, stream: Any) -> Any:
    """Return nibabel's header unchecked: its own checks mend in silence what must be refused here."""
    import nibabel

    try:
        block = stream.read(540)
    except DAMAGE as error:
        raise FormatError(f"{path}: truncated or damaged within the header: copy or export it again") from error
    kinds: Any = ((348, nibabel.Nifti1Header, b"n+1"), (540, nibabel.Nifti2Header, b"n+2"))
    for size, kind, magic in kinds:
        if len(block) >= size and size in (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big")):
            header = kind(block[:size], check=False)
            if bytes(header["magic"].item())[:3] == magic and 1 <= int(header["dim"][0]) <= 7:
                return header
    if block.startswith(_GZIP):
        raise FormatError(f"{path}: compressed twice: unpack it once (gunzip)")
    if told := told_by(block):
        raise FormatError(f"{path}: not a NIfTI file but {told[0]}: {told[1]}")
    raise FormatError(f"{path}: not a NIfTI file (no valid header): export it again as .nii.gz")


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
    if not header.single_vox_offset <= offset <= most_bytes():  # also refuses NaN
        raise FormatError(f"{path}: the header places the voxels at byte {offset:g} (vox_offset): export it again")
    return int(offset)
