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
from medbench.imaging.formats.geometry import LPS_TO_RAS, affine_from, spatial_shape
from medbench.imaging.formats.stored import Header, Stored, check_claim, most_bytes, read_voxels
from medbench.imaging.formats.text_header import TextHeader

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


_NUMBER = r"[^\s,()]+"
_VECTOR = rf"\(\s*{_NUMBER}(?:[\s,]+{_NUMBER}){{2}}\s*\)"  # an axis in no space has the word none in its place
_UNPACKED: dict[str, Callable[[IO[bytes]], Any]] = {
    "raw": lambda file: file,
    "gzip": gzip.open,
    "gz": gzip.open,
    "bzip2": bz2.open,
    "bz2": bz2.open,
}


def open_nrrd(path: Path) -> Stored:
    """Open a NRRD file; one that names no space is taken as LPS, as ITK does.

    Raises:
        FormatError: not the header of one 3D volume, an encoding that nobody uses for CT, or a claim that the file
            cannot keep.
        GeometryError: spacing or orientation is impossible.
    """
    with path.open("rb") as file:
        if not file.readline(80).startswith(b"NRRD"):
            raise FormatError(f"{path}: not a NRRD file: export it again, for example as .nii.gz")
        refusal = "truncated within the NRRD header: copy or export it again"
        fields = TextHeader.read(path, file, separator=": ", last=r"\r?\n", remarks=True, refusal=refusal)
    shape = spatial_shape(path, tuple(fields.numbers("sizes", kind=int)))
    big_endian = fields.text("endian").lower() == "big"
    dtype = fields.dtype(fields.text("type").lower(), _DTYPES, big_endian=big_endian)
    header, encoding = Header(shape, _affine(fields), dtype), fields.text("encoding").lower()
    if encoding not in _UNPACKED or any(map(fields.text, ("data file", "line skip", "byte skip"))):
        raise FormatError(f"{path}: only attached voxels, encoded raw, gzip or bzip2, are supported: export it again")
    # bzip2 knows no bound on its ratio; only the absolute limit holds there.
    found = most_bytes() if encoding.startswith("bz") else path.stat().st_size - fields.end
    check_claim(path, claimed=header.nbytes, stored=found, compressed=encoding != "raw")

    def read() -> np.ndarray:
        with path.open("rb") as file:
            file.seek(fields.end)
            return read_voxels(path, _UNPACKED[encoding](file), header)

    return Stored(header, read)


def _affine(fields: TextHeader) -> np.ndarray:
    """Return voxel index to RAS+ mm for the first three axes."""
    if "spacedirections" in fields.fields:
        key, spacing = "space directions", [1.0]
        vectors = fields.numbers(key, word=rf"{_NUMBER}(?=[^()]*\))")
        if len(vectors) != 9 or len(re.findall(_VECTOR, fields.text(key))) != 3:
            raise FormatError(f"{fields.path}: '{key}' must be three vectors of three numbers: export it again")
        directions = np.reshape(vectors, (3, 3)).T
    else:
        directions, spacing = np.eye(3), fields.numbers("spacings") or [1.0]
    origin = fields.numbers("space origin", word=_NUMBER) or [0.0, 0.0, 0.0]
    if len(origin) != 3:
        raise FormatError(f"{fields.path}: 'space origin' must be three numbers: export it again")
    to_ras = _TO_RAS.get(fields.text("space").lower(), LPS_TO_RAS)
    return affine_from(fields.path, directions, np.resize(spacing, 3), origin, to_ras)
