"""A folder of volumes: what a generator made (with a manifest), or what a user brought (without)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import volume_parts
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
from medbench.records.manifest import MANIFEST, Manifest, SampleRecord
from medbench.storage.files import sha256_once
from medbench.storage.names import shown


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

    @property
    def files(self) -> list[Path]:
        """The volume and the label maps beside it."""
        return [path for path in (self.path, self.mask, self.condition) if path is not None]


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
    return items if masks is None else with_masks(items, masks)


def with_masks(items: Sequence[StoredVolume], masks: Path) -> list[StoredVolume]:
    """Return volumes with their masks.

    Args:
        items: the volumes.
        masks: folder of label maps with the volumes' ids as names; the format may differ.

    Raises:
        DataError: a volume has no mask.
    """
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
    records = Manifest(folder).records()
    if not records:
        raise DataError(f"{folder / MANIFEST} lists no samples: run 'medbench sample' first")
    return listed(folder, records, progress, task)


def listed(
    folder: Path, records: Mapping[int, SampleRecord], progress: Progress = silent, task: str = "read samples"
) -> list[StoredVolume]:
    """Return the volumes that records of a manifest describe, in the order of their indices.

    Args:
        folder: of the manifest.
        records: by sample index.
        progress: every file is hashed.
        task: what the progress is called.

    Raises:
        DataError: a file is not there, or not as its record says.
    """
    items = []
    named = region_names(folder / CONDITIONS)
    for index, record in progress.track(sorted(records.items()), task=task, total=len(records)):
        path = _described(folder / record.file, record.sha256)
        name, condition, regions = f"{index:06d}", None, named
        if record.condition is not None:
            condition = _described(folder / record.condition, record.condition_sha256)
        if record.condition_sha256 is not None:
            regions = {int(value): region for value, region in (record.condition_regions or {}).items()} or None
        items.append(StoredVolume(name, name, path, record.sha256, condition=condition, condition_regions=regions))
    return items


def _described(path: Path, sha256: str | None) -> Path:
    """Return the path of a file that is as its manifest describes it; None: it does not say how."""
    if not path.is_file():
        raise DataError(f"{path} is in {MANIFEST} but not in the folder: sample again, or delete {MANIFEST}")
    if sha256 not in (None, sha256_once(path)):
        raise DataError(f"{path} is not the file that {MANIFEST} describes: sample again, or delete {MANIFEST}")
    return path


def content_once(path: Path) -> str:
    """Return the SHA-256 of a file, or over the files of a DICOM series folder or of a header with its data file.

    A file is read once a process unless its size or time changes.

    Raises:
        DataError: see ``medbench.imaging.formats.volume_parts``.
    """
    return sha256_once(path, volume_parts(path))
