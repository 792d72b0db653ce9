"""MetaImage files (.mhd with .raw or .zraw, .mha), as LUNA16 and ITK write them.

Read without ITK: it fills what a truncated data file lacks with whatever lay in memory, and says nothing.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from medbench.errors import DataError, FormatError
from medbench.imaging.formats.geometry import LPS_TO_RAS, affine_from, check_affine, check_spacing, spatial_shape
from medbench.imaging.formats.stored import Header, Stored, check_claim, claimed_bytes, read_voxels

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # four bytes in MetaIO on every platform
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MAX_HEADER_LINES = 1000


@dataclass(frozen=True)
class _Voxels:
    """Where the voxels lie."""

    file: Path
    start: int
    compressed: bool


def read_metaimage(path: Path) -> Stored:
    """Read a MetaImage; world coordinates are turned from ITK's LPS to RAS.

    Raises:
        DataError: the data file that the header names is absent.
        FormatError: not a whole, binary MetaImage of one 3D volume.
        GeometryError: spacing or orientation is impossible.
    """
    header, voxels = _examined(path)
    with voxels.file.open("rb") as file:
        file.seek(voxels.start)
        expected = claimed_bytes(header.shape, header.dtype)
        stream = _inflated(file, expected) if voxels.compressed else file
        return Stored(read_voxels(voxels.file, stream, header.shape, header.dtype), header.affine)


def metaimage_header(path: Path) -> Header:
    """Return what a MetaImage says about its image; the size of its data file is held against it.

    Raises:
        DataError: the data file that the header names is absent.
        FormatError: not the header of one binary 3D volume, or a claim that the data file cannot keep.
        GeometryError: spacing or orientation is impossible.
    """
    return _examined(path)[0]


def data_file(path: Path) -> Path:
    """Return the file that holds a MetaImage's voxels: the one that its header names, or itself.

    Raises:
        DataError: the data file is absent.
        FormatError: no MetaImage header, or voxels spread over several files.
    """
    with path.open("rb") as file:
        return _data(path, *_read_fields(path, file))[0]


def _examined(path: Path) -> tuple[Header, _Voxels]:
    with path.open("rb") as file:
        fields, local = _read_fields(path, file)
    shape = spatial_shape(path, tuple(_numbers(path, fields, "DimSize", kind=int)))
    affine = _affine(path, fields)
    dtype = _dtype(path, fields)
    data, offset = _data(path, fields, local)
    compressed = _true(fields, "CompressedData")
    expected, found = claimed_bytes(shape, dtype), data.stat().st_size - offset
    if not compressed and fields.get("HeaderSize", "0") == "-1":  # the voxels are the file's last bytes
        offset, found = offset + found - expected, min(found, expected)
    check_claim(data, claimed=expected, stored=found, compressed=compressed)
    if not compressed and data != path and found != expected:
        raise FormatError(
            f"{data}: {path.name} promises {expected} bytes of voxels, found {found}: copy both files again"
        )
    return Header(shape, affine, dtype), _Voxels(data, offset, compressed)


def _read_fields(path: Path, file: IO[bytes]) -> tuple[dict[str, str], int]:
    """Return the header's fields and where it ends."""
    fields: dict[str, str] = {}
    for _ in range(_MAX_HEADER_LINES):
        key, equals, value = file.readline(4096).decode("latin-1").partition("=")
        if not equals:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":  # by definition the last one
            return fields, file.tell()
    raise FormatError(f"{path}: not a MetaImage header (no ElementDataFile): export it again, for example as .nii.gz")


def _numbers(path: Path, fields: dict[str, str], *names: str, kind: type = float) -> list[Any]:
    """Return the numbers of the first field present; an empty list if none is."""
    text = next((fields[name] for name in names if name in fields), "")
    try:
        return [kind(word) for word in text.split()]
    except ValueError as error:
        raise FormatError(f"{path}: {names[0]} = {text[:40]} is not a list of numbers: export it again") from error


def _affine(path: Path, fields: dict[str, str]) -> np.ndarray:
    dimensions = len(_numbers(path, fields, "DimSize", kind=int))
    matrix = _numbers(path, fields, "TransformMatrix", "Rotation", "Orientation") or np.eye(dimensions).ravel().tolist()
    origin = _numbers(path, fields, "Offset", "Position", "Origin") or [0.0] * dimensions
    spacing = _numbers(path, fields, "ElementSpacing", "ElementSize") or [1.0] * dimensions
    if (len(matrix), len(origin), len(spacing)) != (dimensions**2, dimensions, dimensions):
        raise FormatError(f"{path}: TransformMatrix, Offset or ElementSpacing does not suit {dimensions} dimensions")
    check_spacing(path, spacing[:3])
    directions = np.reshape(matrix, (dimensions, dimensions)).T[:3, :3]  # stored axis by axis
    affine: np.ndarray = LPS_TO_RAS @ affine_from(directions, np.asarray(spacing[:3]), np.asarray(origin[:3]))
    check_affine(path, affine)
    return affine


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype:
    name = fields.get("ElementType", "")
    plain = _TYPES.get(name)
    if plain is None or fields.get("ElementNumberOfChannels", "1") != "1" or not _true(fields, "BinaryData", "True"):
        raise FormatError(f"{path}: voxels must be binary, one number each (ElementType = {name}): export as MET_SHORT")
    big_endian = _true(fields, "BinaryDataByteOrderMSB") or _true(fields, "ElementByteOrderMSB")
    return np.dtype((">" if big_endian else "<") + plain)


def _data(path: Path, fields: dict[str, str], local: int) -> tuple[Path, int]:
    """Return the file that holds the voxels and the byte at which they begin."""
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        return path, local
    if name.upper().startswith("LIST") or "%" in name:
        raise FormatError(
            f"{path}: voxels spread over several files are not supported: export it as one .mha or .nii.gz"
        )
    data = path.parent / name
    if not data.is_file():
        raise DataError(f"{path}: its data file {name} is missing: put it into {path.parent}")
    try:
        return data, max(0, int(fields.get("HeaderSize", "0")))
    except ValueError as error:
        raise FormatError(
            f"{path}: HeaderSize = {fields['HeaderSize'][:40]} is not a number: export it again"
        ) from error


def _true(fields: dict[str, str], name: str, default: str = "False") -> bool:
    return fields.get(name, default).strip().lower() in ("true", "t", "1")


def _inflated(file: IO[bytes], expected: int) -> Any:
    """Return a stream of at most ``expected`` + 1 bytes from zlib or gzip data (ITK accepts both)."""
    packed = file.read()
    if packed[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=io.BytesIO(packed))
    try:
        return io.BytesIO(zlib.decompressobj().decompress(packed, expected + 1))
    except zlib.error:
        return io.BytesIO()  # what is missing is reported by its reader
