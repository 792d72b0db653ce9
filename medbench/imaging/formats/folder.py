"""Which volumes a folder holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medbench.errors import DataError
from medbench.imaging.formats.dicom import is_dicom
from medbench.imaging.formats.metaimage import data_file

SUFFIXES = (".nii.gz", ".nii", ".mhd", ".mha", ".nrrd")


def suffix_of(path: Path) -> str:
    """Return the suffix that names a volume's format, in lower case; empty where there is none."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def volume_files(folder: Path) -> list[Path]:
    """Return every volume below a folder; a folder with DICOM slices counts as one volume.

    Hidden files and folders are passed over, and so is all that is no volume (.raw, manifest.jsonl, ...).

    Returns:
        Paths below ``folder`` in natural order (2 before 10), the same on every machine.

    Raises:
        DataError: the folder is absent, unreadable or holds no volume.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder: check the path")
    try:
        found = list(_volumes(folder, seen=frozenset()))
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from error
    if not found:
        raise DataError(
            f"{folder}: no volume below this folder: put {', '.join(SUFFIXES)} files or DICOM folders there"
        )
    return sorted(found, key=lambda path: _natural(path.relative_to(folder)))


def volume_parts(path: Path) -> list[Path]:
    """Return the files that make up a volume: header and data file, the slices of a DICOM folder, else the file.

    Raises:
        DataError: an .mhd file without its data file, or that names none.
    """
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        return [file for file in files if _is_slice(file)] or files  # slices may lack the mark, then all of them do
    if suffix_of(path) == ".mhd":
        return list(dict.fromkeys([path, data_file(path)]))
    return [path]


def _volumes(folder: Path, *, seen: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in seen:  # a link that leads back to a folder above it
        return
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    yield from (entry for entry in entries if entry.is_file() and suffix_of(entry))
    if any(_is_slice(entry) for entry in entries):
        yield folder
    for entry in entries:
        if entry.is_dir():
            yield from _volumes(entry, seen=seen | {real})


def _is_slice(entry: Path) -> bool:
    return entry.is_file() and not suffix_of(entry) and is_dicom(entry)


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Return a key that compares digits as numbers; the plain text breaks ties such as 01 and 1."""
    text = path.as_posix()
    return [(word, int(digits or -1)) for word, digits in re.findall(r"(\D*)(\d*)", text.lower())], text
