"""Which volumes a folder holds, and what of all else in it is passed over, and why.

Every file is accounted for. What bears a volume's name must be readable, or the folder is refused; what may hold a
volume in a format that is not read is a warning; all else is a note.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from medbench.errors import DataError
from medbench.imaging.findings import Finding, Severity
from medbench.imaging.formats.content import first_bytes, is_dicom, is_text, pointer
from medbench.imaging.formats.dicom.objects import DicomObject
from medbench.imaging.formats.dicom.scans import SLICE_SUFFIXES, may_be_a_slice, objects_in, scan_at, scans
from medbench.imaging.formats.metaimage import data_file
from medbench.imaging.formats.suffixes import SUFFIXES, foreign_mend, suffix_of
from medbench.imaging.formats.walk import Directory, natural, walk
from medbench.storage.names import shown

_NOT_READ: Final = "not read: "
_RAW: Final = (".raw", ".zraw")


@dataclass(frozen=True)
class Survey:
    """What lies below a folder.

    Args:
        folder: the folder.
        volumes: files, folders that hold a DICOM series, and files that hold a whole one; in natural order (2 before
            10), the same on every machine.
        passed_over: why each other file (or hidden folder) is no volume.
    """

    folder: Path
    volumes: tuple[Path, ...]
    passed_over: Mapping[Path, Finding]

    def require(self) -> None:
        """Refuse a folder without volumes; say what lies there instead.

        Raises:
            DataError: there is none.
        """
        if self.volumes:
            return
        odd = next((one.detail for one in self.passed_over.values() if one.severity == "warning"), None)
        odd = odd or next((one.detail for one in self.passed_over.values() if one.check == "dicom_kind"), None)
        if odd:
            raise DataError(f"{self.folder}: no volume below this folder, but {odd.removeprefix(_NOT_READ)}")
        raise DataError(
            f"{self.folder}: no volume below this folder: put {', '.join(SUFFIXES)} files or DICOM folders there"
        )


def survey(folder: Path) -> Survey:
    """Return every volume below a folder, and what is passed over; a DICOM series counts as one volume.

    Raises:
        DataError: the folder is absent or cannot be read; what bears a volume's name is a link that leads nowhere, a
            pointer without its content, a FIFO or unreadable; slices of several series lie in one folder.
        FormatError: a damaged file among DICOM slices.
    """
    if folder.is_file():
        raise DataError(f"{folder}: this is a file: give the folder that holds the volumes")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder: check the path")
    account = _Account()
    for directory in walk(folder):
        account.enter(directory)
    account.settle_data_files()
    found = sorted(
        [*account.volumes, *(scan.path for scan in scans(account.slices))],
        key=lambda path: natural(path.relative_to(folder)),
    )
    if account.broken:
        path, what, mend = min(account.broken, key=lambda one: natural(one[0].relative_to(folder)))
        count, of = len(account.broken), len(account.broken) + len(found)
        raise DataError(f"{shown(path)}: {what} ({count} of {of} volumes below {shown(folder)} cannot be read): {mend}")
    return Survey(folder, tuple(found), account.findings())


@dataclass
class _Account:
    """What was found so far; a file passed over is kept under the check that names it, with a word for its kind."""

    volumes: list[Path] = field(default_factory=list)
    slices: list[DicomObject] = field(default_factory=list)
    broken: list[tuple[Path, str, str]] = field(default_factory=list)
    others: dict[tuple[Severity, str], dict[Path, str]] = field(default_factory=lambda: defaultdict(dict))

    def enter(self, directory: Directory) -> None:
        """Take account of one folder's files."""
        for path in directory.hidden:
            self.others["note", "hidden"][path] = "hidden"
        for path in directory.again:
            self.others["note", "link"][path] = "link to a folder that is read already"
        for path in directory.dangling:
            self._unreadable(path, "a link that leads nowhere", "fetch its content (git annex get, dvc pull, ...)")
        for path in directory.special:
            self._unreadable(path, "a FIFO, socket or device, no file", "put a file there")
        blocks: dict[Path, bytes] = {}
        for path in directory.files:
            try:
                path.name.encode("utf-8")
                block = first_bytes(path)
            except UnicodeEncodeError:
                self._unreadable(path, "its name is not UTF-8", "rename it")
            except OSError as error:
                self._unreadable(path, f"cannot be read: {error.strerror or error}", "allow reading it")
            else:
                if stands_for := pointer(block):
                    self._unreadable(path, *stands_for)
                else:
                    blocks[path] = block
        self.volumes += [path for path in blocks if suffix_of(path)]
        self._files({path: block for path, block in blocks.items() if not suffix_of(path)})

    def settle_data_files(self) -> None:
        """Take those data files for read that a header names."""
        raw = [path for found in self.others.values() for path in found if path.suffix.lower() in _RAW]
        named = {_data_file(path) for path in self.volumes if suffix_of(path) == ".mhd"} if raw else set()
        for found in self.others.values():
            for path in [path for path in found if path in named]:
                del found[path]

    def findings(self) -> dict[Path, Finding]:
        """Return a finding for each file that was passed over; those of one check share their words."""
        result = {}
        for (severity, check), found in self.others.items():
            if not found:
                continue
            detail = f"{_NOT_READ}{_counted(found.values())}"
            if check == "other_format":
                detail += f", which may hold volumes: {foreign_mend(next(iter(found)))}"
            for path in found:
                result[path] = Finding(severity, shown(path), check, detail)
        return result

    def _unreadable(self, path: Path, what: str, mend: str) -> None:
        if suffix_of(path) or (may_be_a_slice(path) and not what.startswith("a FIFO")):
            self.broken.append((path, what, mend))
        else:
            severity: Severity = "warning" if foreign_mend(path) else "note"
            self.others[severity, "unreadable"][path] = what

    def _files(self, blocks: Mapping[Path, bytes]) -> None:
        """Take account of files without a volume's suffix: DICOM by content, all else by its name."""
        for one in objects_in(list(blocks)):
            if one.instead:
                severity: Severity = "warning" if one.pixels else "note"
                self.others[severity, "dicom_kind"][one.path] = f"no CT: {one.instead}"
            else:
                self.slices.append(one)
        for path, block in blocks.items():
            if is_dicom(block):
                continue
            if path.suffix.lower() in SLICE_SUFFIXES:
                self.broken.append((path, "no DICOM file in spite of its name", "export the series again"))
            elif foreign_mend(path) or (may_be_a_slice(path) and block and not is_text(block)):
                self.others["warning", "other_format"][path] = path.suffix.lower() or "without a suffix"
            else:
                self.others["note", "other_file"][path] = path.suffix.lower() or "without a suffix"


def volume_parts(path: Path) -> list[Path]:
    """Return the files that make up a volume: header and data file, the slices of a DICOM series, else the file.

    Raises:
        DataError: an .mhd file without its data file, or that names none; a folder without a DICOM series.
    """
    if path.is_dir():
        return sorted(one.path for one in scan_at(path).objects)
    if suffix_of(path) == ".mhd":
        return list(dict.fromkeys([path, data_file(path)]))
    return [path]


def _data_file(path: Path) -> Path | None:
    try:
        return Path(os.path.normpath(data_file(path)))
    except DataError:
        return None  # told when the volume is read


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).most_common())
