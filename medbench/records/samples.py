"""A folder of volumes: what a generator made (with a manifest), or what a user brought (without)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from medbench.errors import DataError
from medbench.imaging.formats import volume_files, volume_parts
from medbench.imaging.formats.folder import suffix_of
from medbench.progress import Progress, silent
from medbench.spec import Spec
from medbench.storage.files import sha256_of, sha256_once, storage_errors, write_text

MANIFEST = "manifest.jsonl"
CONDITIONS = "conditions"
MASK_FOLDERS = ("labels", "masks", CONDITIONS)  # inside a folder of volumes; they hold label maps, never volumes
REGION_NAMES = "labels.json"


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
        lines = self.path.read_text(encoding="utf-8").splitlines()
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
    if (folder / MANIFEST).is_file():
        items = _from_manifest(folder, progress, task)
    else:
        found = volumes_by_id(folder, masks=masks)
        items = [
            StoredVolume(id=name, subject=name, path=path, sha256=content_once(path))
            for name, path in progress.track(found.items(), task=task, total=len(found))
        ]
    if masks is None:
        return items
    by_name, regions = volumes_by_id(masks), region_names(masks)
    if missing := [item.id for item in items if item.id not in by_name]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{masks} has no mask for {missing[0]}{more}: give each mask its volume's name")
    return [replace(item, mask=by_name[item.id], regions=regions) for item in items]


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


def volumes_by_id(folder: Path, *, masks: Path | None = None) -> dict[str, Path]:
    """Return the volumes below a folder by id: the path relative to the folder, without the format's suffix.

    What lies in ``folder/labels``, ``folder/masks`` or the folder given as ``masks`` is no volume.

    Args:
        folder: searched recursively; natural order is kept.
        masks: folder of label maps, inside or outside.

    Raises:
        DataError: no volume, or two files of one id.
    """
    elsewhere = [(folder / name).resolve() for name in MASK_FOLDERS]
    if masks is not None and not folder.resolve().is_relative_to(masks.resolve()):
        elsewhere.append(masks.resolve())
    found: dict[str, Path] = {}
    for path in volume_files(folder):
        place = (path if path.is_dir() else path.parent).resolve()
        if any(place.is_relative_to(other) for other in elsewhere):
            continue
        name = volume_stem(path.relative_to(folder)) if path != folder else path.resolve().name
        if name in found:
            raise DataError(f"{found[name]} and {path} are both volume '{name}': keep one of them")
        found[name] = path
    if not found:
        raise DataError(f"{folder} holds masks but no volume: put the volumes beside the folder of masks")
    return found


def volume_stem(relative: Path) -> str:
    """Return a relative path without its volume suffix, with forward slashes on every system."""
    return relative.as_posix()[: len(relative.as_posix()) - len(suffix_of(relative))]


def region_names(masks: Path) -> dict[int, str] | None:
    """Return the names of label values in ``labels.json`` beside the masks (value -> name), or None.

    Raises:
        DataError: the file is damaged.
    """
    path = masks / REGION_NAMES
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {int(value): str(name) for value, name in document.items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f'{path} must map label values to names, like {{"1": "lung_left"}}') from error


def content_once(path: Path) -> str:
    """Return the SHA-256 of a file, or over the files of a DICOM series folder or of a header with its data file.

    A file is read once a process unless its size or time changes.

    Raises:
        DataError: see ``medbench.imaging.formats.volume_parts``.
    """
    return sha256_once(path, volume_parts(path))
