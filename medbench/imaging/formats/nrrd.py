"""NRRD files (.nrrd) with attached voxels, raw, gzip or bzip2 (http://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import bz2
import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from medbench.errors import FormatError
from medbench.imaging.formats.geometry import (
    LPS_TO_RAS,
    affine_from,
    check_affine,
    check_spacing,
    spacing_of,
    spatial_shape,
)
from medbench.imaging.formats.stored import MAX_BYTES, Header, Stored, check_claim, claimed_bytes, read_voxels

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_DTYPES = {alias: dtype for dtype, aliases in _TYPES.items() for alias in aliases}
_TO_RAS = {
    "right-anterior-superior": np.eye(4),
    "ras": np.eye(4),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0, 1.0]),
}
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_MAX_HEADER_LINES = 1000


def read_nrrd(path: Path) -> Stored:
    """Read a NRRD file; a file that names no space is taken as LPS, as ITK does.

    Raises:
        FormatError: not a whole NRRD file of one 3D volume, or an encoding that nobody uses for CT.
        GeometryError: spacing or orientation is impossible.
    """
    with path.open("rb") as file:
        header, encoding = _examined(path, file)
        streams: dict[str, Callable[[], Any]] = {
            "raw": lambda: file,
            "gzip": lambda: gzip.GzipFile(fileobj=file),
            "bzip2": lambda: bz2.BZ2File(file),
        }
        return Stored(read_voxels(path, streams[encoding](), header.shape, header.dtype), header.affine)


def nrrd_header(path: Path) -> Header:
    """Return what a NRRD file says about its image.

    Raises:
        FormatError: not the header of one 3D volume, or a claim that the file cannot keep.
        GeometryError: spacing or orientation is impossible.
    """
    with path.open("rb") as file:
        return _examined(path, file)[0]


def _examined(path: Path, file: IO[bytes]) -> tuple[Header, str]:
    """Return the header and the encoding; the file then stands at the first byte of voxels."""
    fields = _read_fields(path, file)
    sizes = tuple(_numbers(path, fields.get("sizes", ""), kind=int))
    header = Header(spatial_shape(path, sizes), _affine(path, fields, len(sizes)), _dtype(path, fields))
    encoding = _encoding(path, fields)
    expected, stored = claimed_bytes(header.shape, header.dtype), path.stat().st_size - file.tell()
    # bzip2 knows no bound on its ratio; only the absolute limit holds there.
    check_claim(
        path, claimed=expected, stored=MAX_BYTES if encoding == "bzip2" else stored, compressed=encoding != "raw"
    )
    return header, encoding


def _read_fields(path: Path, file: IO[bytes]) -> dict[str, str]:
    if not file.readline(80).startswith(b"NRRD"):
        raise FormatError(f"{path}: not a NRRD file: export it again, for example as .nii.gz")
    fields: dict[str, str] = {}
    for _ in range(_MAX_HEADER_LINES):
        line = file.readline(65536).decode("latin-1")
        if line in ("\n", "\r\n"):
            return fields
        key, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields[key.strip().lower().replace(" ", "")] = value.strip()
        elif not line:
            break
    raise FormatError(f"{path}: truncated within the NRRD header: copy or export it again")


def _numbers(path: Path, text: str, kind: type = float) -> list[Any]:
    try:
        return [kind(word) for word in re.split(r"[\s,()]+", text) if word]
    except ValueError as error:
        raise FormatError(f"{path}: '{text[:40]}' in the header is not a list of numbers: export it again") from error


def _affine(path: Path, fields: dict[str, str], dimensions: int) -> np.ndarray:
    """Return voxel index to RAS+ mm for the first three axes."""
    if "spacedirections" in fields:
        vectors = [_numbers(path, text) for text in re.findall(r"\(([^)]*)\)", fields["spacedirections"])]
        if len(vectors) != 3 or any(len(vector) != 3 for vector in vectors):
            raise FormatError(f"{path}: 'space directions' must be three vectors of three numbers: export it again")
        affine = affine_from(np.transpose(vectors), np.ones(3), np.zeros(3))
        check_spacing(path, spacing_of(affine))
    else:
        spacing = _numbers(path, fields.get("spacings", "")) or [1.0] * dimensions
        check_spacing(path, spacing[:3])
        affine = affine_from(np.eye(3), np.resize(spacing, 3), np.zeros(3))
    origin = _numbers(path, fields.get("spaceorigin", "")) or [0.0, 0.0, 0.0]
    if len(origin) != 3:
        raise FormatError(f"{path}: 'space origin' must be three numbers: export it again")
    affine[:3, 3] = origin
    ras: np.ndarray = _TO_RAS.get(fields.get("space", "").lower(), LPS_TO_RAS) @ affine
    check_affine(path, ras)
    return ras


def _dtype(path: Path, fields: dict[str, str]) -> np.dtype:
    name = fields.get("type", "").lower()
    if name not in _DTYPES:
        raise FormatError(f"{path}: voxels of type '{name}' are not one number each: export them as int16")
    return np.dtype((">" if fields.get("endian", "little").lower() == "big" else "<") + _DTYPES[name])


def _encoding(path: Path, fields: dict[str, str]) -> str:
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    if encoding is None or {"datafile", "lineskip", "byteskip"} & fields.keys():
        raise FormatError(f"{path}: only attached voxels, encoded raw, gzip or bzip2, are supported: export it again")
    return encoding
