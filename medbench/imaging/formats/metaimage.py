"""MetaImage files (.mhd with .raw or .zraw, .mha), as LUNA16 and ITK write them.

Read without ITK: it fills what a truncated data file lacks with whatever lay in memory, and says nothing.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from medbench.errors import DataError, FormatError
from medbench.imaging.formats.geometry import affine_from, spatial_shape
from medbench.imaging.formats.stored import Header, Stored, check_claim, read_voxels
from medbench.imaging.formats.text_header import TextHeader

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


def open_metaimage(path: Path) -> Stored:
    """Open a MetaImage; the size of its data file is held against its header, and ITK's LPS is turned to RAS.

    Raises:
        DataError: the data file that the header names is absent.
        FormatError: not the header of one binary 3D volume, or a claim that the data file cannot keep.
        GeometryError: spacing or orientation is impossible.
    """
    fields, data, start = _located(path)
    shape = spatial_shape(path, tuple(fields.numbers("DimSize", kind=int)))
    header = Header(shape, _affine(fields), _dtype(fields))
    compressed = _true(fields, "CompressedData")
    expected, found = header.nbytes, data.stat().st_size - start
    if not compressed and fields.numbers("HeaderSize", kind=int) == [-1]:  # the voxels are the file's last bytes
        start, found = start + found - expected, min(found, expected)
    check_claim(data, claimed=expected, stored=found, compressed=compressed)
    if not compressed and data != path and found != expected:
        raise FormatError(
            f"{data}: {path.name} promises {expected} bytes of voxels, found {found}: copy both files again"
        )

    def read() -> np.ndarray:
        with data.open("rb") as file:
            file.seek(start)
            stream = _inflated(file, expected) if compressed else file
            return read_voxels(data, stream, header)

    return Stored(header, read)


def data_file(path: Path) -> Path:
    """Return the file that holds a MetaImage's voxels: the one that its header names, or itself.

    Raises:
        DataError: the data file is absent.
        FormatError: no MetaImage header, or voxels spread over several files.
    """
    return _located(path)[1]


def _located(path: Path) -> tuple[TextHeader, Path, int]:
    """Return the header, the file that holds the voxels and the byte at which they begin."""
    refusal = "not a MetaImage header (no ElementDataFile): export it again, for example as .nii.gz"
    with path.open("rb") as file:
        last = r"\s*ElementDataFile\s*=.*"
        fields = TextHeader.read(path, file, separator="=", last=last, remarks=False, refusal=refusal)
    name = fields.text("ElementDataFile")
    if name.upper() == "LOCAL":
        return fields, path, fields.end
    if name.upper().startswith("LIST") or "%" in name:
        raise FormatError(
            f"{path}: voxels spread over several files are not supported: export it as one .mha or .nii.gz"
        )
    data = path.parent / name
    if not data.is_file():
        raise DataError(f"{path}: its data file {name} is missing: put it into {path.parent}")
    return fields, data, max([0, *fields.numbers("HeaderSize", kind=int)])


def _affine(fields: TextHeader) -> np.ndarray:
    dimensions = len(fields.numbers("DimSize", kind=int))
    matrix = fields.numbers("TransformMatrix", "Rotation", "Orientation") or np.eye(dimensions).ravel().tolist()
    origin = fields.numbers("Offset", "Position", "Origin") or [0.0] * dimensions
    spacing = fields.numbers("ElementSpacing", "ElementSize") or [1.0] * dimensions
    if (len(matrix), len(origin), len(spacing)) != (dimensions**2, dimensions, dimensions):
        raise FormatError(
            f"{fields.path}: TransformMatrix, Offset or ElementSpacing does not suit {dimensions} dimensions"
        )
    directions = np.reshape(matrix, (dimensions, dimensions)).T[:3, :3]  # stored axis by axis
    return affine_from(fields.path, directions, spacing[:3], origin[:3])


def _dtype(fields: TextHeader) -> np.dtype:
    if fields.text("ElementNumberOfChannels", "1") != "1" or not _true(fields, "BinaryData", "True"):
        raise FormatError(f"{fields.path}: voxels must be binary, one number each: export them as MET_SHORT")
    big_endian = _true(fields, "BinaryDataByteOrderMSB") or _true(fields, "ElementByteOrderMSB")
    return fields.dtype(fields.text("ElementType"), _TYPES, big_endian=big_endian)


def _true(fields: TextHeader, key: str, default: str = "False") -> bool:
    return fields.text(key, default).lower() in ("true", "t", "1")


def _inflated(file: IO[bytes], expected: int) -> Any:
    """Return a stream of at most ``expected`` + 1 bytes from zlib or gzip data (ITK accepts both)."""
    packed = file.read()
    if packed[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=io.BytesIO(packed))
    try:
        return io.BytesIO(zlib.decompressobj().decompress(packed, expected + 1))
    except zlib.error:
        return io.BytesIO()  # what is missing is reported by its reader
