"""A folder of volumes: what a generator made (with a manifest), or what a user brought (without)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError

from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import volume_parts
from medbench.imaging.formats.walk import shown
from medbench.progress import Progress, silent
from medbench.records.collection import (
    CONDITIONS,
    REGION_NAMES,
    collect,
    match_masks,
    region_names,
    unmatched,
    volumes_by_id,
)
from medbench.spec import Spec
from medbench.storage.files import sha256_of, sha256_once, storage_errors, write_text

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class StoredVolume:
    """One volume on disk.

    Args:
        id: unique within its set.
        subject: the person or sample it belongs to: the unit of every resampling.
        path: file, or folder of a DICOM series.
        sha256: of the file's bytes; caches are keyed by it.
        mask: label map on the volume's grid, or None.
        regions: names of the mask's label values, where they are known.
        condition: the label map that a sample was made from, or None; ``condition_regions`` names its values.
    """

    id: str
    subject: str
    path: Path
    sha256: str
    mask: Path | None = None
    regions: Mapping[int, str] | None = None
    condition: Path | None = None
    condition_regions: Mapping[int, str] | None = None


class SampleRecord(Spec):
    """One line of ``manifest.jsonl``."""

    index: int
    seed: int
    file: str
    sha256: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    native_shape: tuple[int, int, int]
    condition: str | None
    condition_source: str | None = Field(None, description="split and case, or the file, that the condition came from")
    seconds: float


class Manifest:
    """The list of a run's samples. A line is appended once its file is complete, so that a killed run can trust it.

    Args:
        folder: the folder of the samples.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / MANIFEST

    def records(self) -> dict[int, SampleRecord]:
        """Return the records by sample index; a last line that a kill cut short is passed over.

        Raises:
            DataError: a line before the last is damaged.
        """
        if not self.path.exists():
            return {}
        lines = self._lines()
        found: dict[int, SampleRecord] = {}
        for number, line in enumerate(lines, start=1):
            try:
                record = SampleRecord.model_validate_json(line)
            except ValidationError as error:
                if number == len(lines):
                    break
                raise DataError(
                    f"{self.path} line {number} is damaged: delete the line, then run the command again"
                ) from error
            found[record.index] = record
        return found

    def is_ours(self) -> bool:
        """Return whether the file is there and is no list of another tool, which may have the same name.

        Raises:
            DataError: not UTF-8 text.
        """
        if not self.path.is_file():
            return False
        lines = self._lines()
        return not lines or not all(map(_is_foreign, lines))

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not UTF-8 text: sample again, or rename the file") from error

    def complete(self, count: int) -> dict[int, SampleRecord]:
        """Return the records below ``count`` whose file is there with the recorded content."""
        return {
            index: record
            for index, record in self.records().items()
            if index < count and (path := self.folder / record.file).is_file() and sha256_of(path) == record.sha256
        }

    def append(self, record: SampleRecord) -> None:
        """Add a record and flush it to the disk."""
        with storage_errors(self.path), self.path.open("a", encoding="utf-8") as handle:
            handle.write(record.model_dump_json() + "\n")
            handle.flush()
            os.fsync(handle.fileno())

    def rewrite(self, records: Iterable[SampleRecord]) -> None:
        """Replace the manifest by these records, sorted by index."""
        ordered = sorted(records, key=lambda record: record.index)
        write_text(self.path, "".join(record.model_dump_json() + "\n" for record in ordered))


def open_folder(folder: Path, *, masks: Path | None = None, progress: Progress = silent) -> list[StoredVolume]:
    """Return the volumes of a folder: those of its manifest where it has one, else every volume in the tree.

    Args:
        folder: searched recursively, without the folders of masks in it (see ``volumes_by_id``).
        masks: folder of label maps with the volumes' relative names; the format may differ.
        progress: every file is hashed, which takes as long as reading it.

    Raises:
        DataError: no such folder, no volumes, two files of one id, a manifest that does not match its files, or a
            volume without its mask.
    """
    task = f"read {folder.resolve().name}"
    if Manifest(folder).is_ours():
        items = _from_manifest(folder, progress, task)
    else:
        found = volumes_by_id(folder, masks=masks)
        items = [
            StoredVolume(id=name, subject=name, path=path, sha256=content_once(path))
            for name, path in progress.track(found.items(), task=task, total=len(found))
        ]
    if masks is None:
        return items
    by_name = match_masks([item.id for item in items], volumes_by_id(masks))
    regions = region_names(masks)
    if missing := [item.id for item in items if item.id not in by_name]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"{masks} has no mask for {shown(missing[0])}{more}: give each mask its volume's name (nnU-Net's _0000 and "
            "Slicer's .seg may differ)"
        )
    return [replace(item, mask=by_name[item.id], regions=regions) for item in items]


def passed_over(folder: Path, *, masks: Path | None = None) -> list[Finding]:
    """Return what lies below a folder of volumes, and of masks, that ``open_folder`` does not read, and why.

    Args:
        folder: as for ``open_folder``.
        masks: as for ``open_folder``.

    Raises:
        DataError: see ``open_folder``.
    """
    found = collect(folder, masks=masks)
    own = {masks / REGION_NAMES if masks else None, folder / CONDITIONS / REGION_NAMES}
    volumes = dict(found.volumes)
    noticed = [finding for path, finding in found.passed_over.items() if path not in own]
    if Manifest(folder).is_ours():
        listed = {folder / record.file for record in Manifest(folder).records().values()}
        extra = [path for path in volumes.values() if path not in listed]
        noticed = [finding for finding in noticed if finding.file != shown(folder / MANIFEST)]
        noticed += [
            Finding("warning", shown(path), "unlisted", f"not read: {MANIFEST} does not list it") for path in extra
        ]
        volumes = {f"{index:06d}": folder / record.file for index, record in Manifest(folder).records().items()}
    elif (folder / MANIFEST).is_file():
        noticed = [finding for finding in noticed if finding.file != shown(folder / MANIFEST)]
        detail = f"no {MANIFEST} of medbench's: it is not read, and every volume of the folder is"
        noticed.append(Finding("note", shown(folder / MANIFEST), "manifest", detail))
    if masks is None:
        inside = [path for path in found.label_maps if path.parent != folder / CONDITIONS]
        detail = "a label map in a folder of masks is no volume: name the folder with --masks to use it"
        return noticed + [Finding("note", shown(path), "mask", detail) for path in inside]
    maps = collect(masks)
    if not masks.resolve().is_relative_to(folder.resolve()):
        noticed += [finding for path, finding in maps.passed_over.items() if path not in own]
    return noticed + unmatched(maps.volumes, match_masks(list(volumes), maps.volumes))


def first_by_name(items: Sequence[StoredVolume], count: int | None) -> Sequence[StoredVolume]:
    """Return a folder's first volumes by name, sorted as strings (scan10 before scan2); None: all as they are."""
    return items if count is None else sorted(items, key=lambda item: item.path.as_posix())[:count]


def _from_manifest(folder: Path, progress: Progress, task: str) -> list[StoredVolume]:
    items = []
    records = sorted(Manifest(folder).records().items())
    regions = region_names(folder / CONDITIONS)
    for index, record in progress.track(records, task=task, total=len(records)):
        path = folder / record.file
        if not path.is_file():
            raise DataError(f"{path} is in {MANIFEST} but not in the folder: sample again, or delete {MANIFEST}")
        if sha256_of(path) != record.sha256:
            raise DataError(f"{path} is not the file that {MANIFEST} describes: sample again, or delete {MANIFEST}")
        condition = None if record.condition is None else folder / record.condition
        if condition is not None and not condition.is_file():
            raise DataError(f"{condition} is in {MANIFEST} but not in the folder: sample again")
        name = f"{index:06d}"
        items.append(StoredVolume(name, name, path, record.sha256, condition=condition, condition_regions=regions))
    if not items:
        raise DataError(f"{folder / MANIFEST} lists no samples: run 'medbench sample' first")
    return items


def _is_foreign(line: str) -> bool:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "sha256" not in document


def content_once(path: Path) -> str:
    """Return the SHA-256 of a file, or over the files of a DICOM series folder or of a header with its data file.

    A file is read once a process unless its size or time changes.

    Raises:
        DataError: see ``medbench.imaging.formats.volume_parts``.
    """
    return sha256_once(path, volume_parts(path))
