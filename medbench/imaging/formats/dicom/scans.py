"""Which DICOM files make up a scan, and the path that stands for it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import DataError, IntensityError
from medbench.imaging.formats.content import first_bytes, is_dicom, is_text, pointer
from medbench.imaging.formats.dicom.objects import DicomObject, damaged, read_object
from medbench.imaging.formats.walk import walk

SLICE_SUFFIXES = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True, eq=False)
class Scan:
    """One CT volume.

    Args:
        path: the folder that holds its slices, directly or in folders below it, or the one file of all its frames.
        objects: its files.
    """

    path: Path
    objects: tuple[DicomObject, ...]


def scan_at(path: Path) -> Scan:
    """Return the scan that a folder or a file holds.

    Raises:
        DataError: no series, or several.
        FormatError: a damaged file among the slices.
        IntensityError: only objects of other kinds than CT.
    """
    if path.is_file():
        objects = [read_object(path)]
        found = [Scan(path, (objects[0],))] if not objects[0].instead else []
    else:
        objects = [one for directory in walk(path) for one in objects_in(directory.files)]
        found = scans(one for one in objects if not one.instead)
    here = [scan for scan in found if scan.path == path]
    if here:
        return here[0]
    if found:
        raise _several(path, [scan.objects for scan in found])
    if objects:
        kinds = ", ".join(sorted({one.instead for one in objects}))
        raise IntensityError(f"{path}: no CT but {kinds}, which has no Hounsfield units: give a CT series")
    raise DataError(f"{path}: no DICOM series lies in this folder: give the folder that holds its slices")


def objects_in(files: Sequence[Path]) -> list[DicomObject]:
    """Return the DICOM files among those of one folder.

    Raises:
        FormatError: one is damaged, or a file among the slices should be one and is none.
    """
    blocks = {path: first_bytes(path) for path in files}
    found = [read_object(path) for path, block in blocks.items() if is_dicom(block)]
    if any(not one.instead for one in found):
        for path, block in blocks.items():
            if not is_dicom(block) and may_be_a_slice(path) and (not is_text(block) or pointer(block)):
                raise damaged(path)
    return found


def may_be_a_slice(path: Path) -> bool:
    """Return whether a file is called as slices are: with a suffix of DICOM, of digits, or with none."""
    suffix = path.suffix.lower()
    return suffix in ("", *SLICE_SUFFIXES) or suffix[1:].isdigit()


def scans(objects: Iterable[DicomObject]) -> list[Scan]:
    """Group the slices of CT into scans.

    The slices of a folder are one scan, and so is an enhanced object. A series that goes on in further folders, none of
    which repeats a position, is one scan too: the folder above them all stands for it.

    Raises:
        DataError: slices of several series in one folder; a series in several folders beside other series.
    """
    whole: dict[Path, list[DicomObject]] = defaultdict(list)
    slices: dict[Path, list[DicomObject]] = defaultdict(list)
    for one in objects:
        (whole if len(one.frames) > 1 else slices)[one.path.parent].append(one)
    by_series: dict[str, list[Path]] = defaultdict(list)
    for folder, found in slices.items():
        kinds = {one.series for one in found}
        if len(kinds) > 1:
            raise _several(folder, [[one for one in found if one.series == series] for series in sorted(kinds)])
        by_series[found[0].series].append(folder)
    result = []
    for folder, found in whole.items():
        alone = len(found) == 1 and folder not in slices
        result += [Scan(folder if alone else one.path, (one,)) for one in found]
    for folders in by_series.values():
        if len(folders) > 1 and not _repeated([slices[folder] for folder in folders]):
            above = Path(os.path.commonpath(folders))
            others = [folder for folder in (*slices, *whole) if folder not in folders and folder.is_relative_to(above)]
            if others:
                raise DataError(
                    f"{folders[0]} and {folders[1]} hold one DICOM series between them, beside other series: move "
                    "its slices into one folder of their own"
                )
            result.append(Scan(above, tuple(one for folder in folders for one in slices[folder])))
        else:
            result += [Scan(folder, tuple(slices[folder])) for folder in folders]
    return result


def _repeated(folders: Sequence[Sequence[DicomObject]]) -> bool:
    """Return whether folders hold slices of one place, or of none: then each of them is a scan of its own."""
    places = [one.frames[0].position for found in folders for one in found]
    return None in places or len(set(places)) < len(places)


def _several(folder: Path, series: Sequence[Sequence[DicomObject]]) -> DataError:
    found = "; ".join(
        f"{objects[0].description or 'no description'} ({len(objects)} files, {objects[0].series})"
        for objects in series[:4]
    )
    more = f" and {len(series) - 4} more" if len(series) > 4 else ""
    return DataError(
        f"{folder}: {len(series)} DICOM series in one folder: {found}{more}: move each into its own folder"
    )
