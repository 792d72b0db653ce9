"""What a file's first bytes tell of it, whatever its name says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SNIFFED: Final = 512
"""Bytes that are looked at."""

_POINTERS: Final = (
    (rb"version https://git-lfs", "a Git LFS pointer", "fetch its content with 'git lfs pull'"),
    (rb"(\S*/)?annex/objects/|\S*\.git/annex/", "a git-annex pointer", "fetch its content with 'git annex get'"),
)
_KINDS: Final = (
    (rb"\x1f\x8b", "gzip data", "unpack it once (gunzip)"),
    (rb"BZh[1-9]", "bzip2 data", "unpack it (bunzip2) and write it as .nii.gz"),
    (rb"\xfd7zXZ", "xz data", "unpack it (unxz) and write it as .nii.gz"),
    (rb"\x28\xb5\x2f\xfd", "zstd data", "unpack it (unzstd) and write it as .nii.gz"),
    (rb"PK\x03\x04", "a zip archive", "unpack it"),
    (rb"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (rb"\x93NUMPY", "a numpy array", "write it with medbench.Volume(voxels, affine).write('NAME.nii.gz') in HU"),
    (rb"\x89HDF", "an HDF5 file", "write its array with medbench.Volume(voxels, affine).write('NAME.nii.gz') in HU"),
    (rb"\x89PNG|\xff\xd8\xff|II\*\0|MM\0\*", "a 2D picture", "stack the slices to one volume in HU"),
    (rb"NRRD", "a NRRD file", "give it its name, .nrrd"),
    (rb"(?i)\s*<(!doctype html|html)", "a web page", "download the file again"),
    (rb"(?s).{128}DICM", "a DICOM file", "put the slices of a series into a folder, without this suffix"),
)


def pointer(block: bytes) -> tuple[str, str] | None:
    """Return what a file is that only stands for its content, and the mend; None where it is no such file."""
    return _first(_POINTERS, block)


def told_by(block: bytes) -> tuple[str, str] | None:
    """Return what a file's first bytes say that it is, and the mend; None where they say nothing."""
    return _first((*_POINTERS, *_KINDS), block)


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb") as file:
        return file.read(SNIFFED)


def is_text(block: bytes) -> bool:
    """Return whether the first bytes of a file are text: UTF-8 without control characters."""
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(block) - 3:  # a character that the end of the block cuts is none's fault
            return False
        text = block[: error.start].decode("utf-8")
    return bool(text) and not re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text)


def is_dicom(block: bytes) -> bool:
    """Return whether a file begins as DICOM does: by its mark, or without a preamble by its first elements.

    Without a preamble the first tag is of group 0002 or 0008 (little endian), and its element number is a low one.
    """
    if block[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(block[:2], "little"), int.from_bytes(block[2:4], "little")
    return len(block) > 8 and group in (0x0002, 0x0008) and element <= 0x0060 and not is_text(block)


def _first(kinds: tuple[tuple[bytes, str, str], ...], block: bytes) -> tuple[str, str] | None:
    return next(((what, mend) for pattern, what, mend in kinds if re.match(pattern, block)), None)
