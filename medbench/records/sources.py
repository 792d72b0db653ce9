"""Where volumes come from: a folder, a pattern, a column of a table, or a list of files."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.formats.walk import natural
from medbench.progress import Progress
from medbench.records.collection import collect, match_masks, unmatched, volume_stem
from medbench.records.samples import StoredVolume, content_once, open_folder, passed_over, with_masks
from medbench.storage.names import shown

TABLES: Final = (".csv", ".tsv")
SUBJECT: Final = "patient"
"""The column of a table that names whom a volume belongs to, as in a data set's split file."""


class Source(Protocol):
    """Volumes of one side of a comparison."""

    @property
    def name(self) -> str:
        """What results call it."""

    def volumes(self, *, masks: Path | None, progress: Progress) -> Sequence[StoredVolume]:
        """Return the volumes, each with its mask where a folder of masks is given.

        Raises:
            DataError: a file is absent, or a volume has no mask.
        """

    def noticed(self, *, masks: Path | None) -> list[Finding]:
        """Return what lies beside the volumes, or among the masks, that is not read, and why."""


@dataclass(frozen=True)
class Folder:
    """All volumes below a folder (see ``medbench.records.samples.open_folder``).

    Args:
        path: the folder.
        called: what results call it; None: by the folder's own name.
    """

    path: Path
    called: str | None = None

    @property
    def name(self) -> str:
        """What results call it."""
        return self.called or self.path.resolve().name

    def volumes(self, *, masks: Path | None, progress: Progress) -> Sequence[StoredVolume]:
        """Return the volumes of the folder's manifest, or of the tree."""
        return open_folder(self.path, masks=masks, progress=progress)

    def noticed(self, *, masks: Path | None) -> list[Finding]:
        """Return what of the folder is not read."""
        return passed_over(self.path, masks=masks)


@dataclass(frozen=True)
class Files:
    """Files (or folders of one DICOM series each) that were named one by one.

    Args:
        name: what results call them.
        paths: by id.
        subjects: whom each volume belongs to, by id; one that is not named stands for itself.
    """

    name: str
    paths: Mapping[str, Path]
    subjects: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, paths: Iterable[Path | str], *, subjects: Iterable[str] | None = None) -> Files:
        """Return files under ids: their paths below the folder that they share, without the format's suffix.

        Args:
            name: what results call them.
            paths: two or more are wanted by any comparison; each once.
            subjects: whom each belongs to, in the order of ``paths``.

        Raises:
            DataError: a file does not exist, or two have one id.
        """
        files = [Path(path) for path in paths]
        if absent := [path for path in files if not path.exists()]:
            more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
            raise DataError(f"{shown(absent[0])}{more} does not exist: mend the list of {name}")
        found: dict[str, Path] = {}
        for path, key in zip(files, _ids(files)):
            if key in found:
                raise DataError(f"{shown(found[key])} and {shown(path)} are both volume '{key}': keep one of them")
            found[key] = path
        return cls(name, found, dict(zip(found, subjects)) if subjects is not None else {})

    def volumes(self, *, masks: Path | None, progress: Progress) -> Sequence[StoredVolume]:
        """Return the volumes in the order in which they were named."""
        tracked = progress.track(self.paths.items(), task=f"read {self.name}", total=len(self.paths))
        items = [StoredVolume(key, self.subjects.get(key, key), path, content_once(path)) for key, path in tracked]
        return items if masks is None else with_masks(items, masks)

    def noticed(self, *, masks: Path | None) -> list[Finding]:
        """Return the masks that belong to no volume: all that was named is read."""
        if masks is None:
            return []
        maps = collect(masks)
        return [*maps.passed_over.values(), *unmatched(maps.volumes, match_masks(list(self.paths), maps.volumes))]


def source_of(given: Path | str) -> Source:
    """Return what a text names: a folder, a pattern like ``scans/*.nii.gz``, or ``cases.csv:COLUMN``.

    What exists is taken by its name, whatever signs that holds.

    Raises:
        DataError: a pattern that nothing matches, a table that cannot be read or lacks the column.
    """
    text, path = str(given), Path(given)
    table, _, column = text.rpartition(":")
    if path.exists():
        return Folder(path)
    if Path(table).suffix.lower() in TABLES:
        return table_column(Path(table), column)
    if glob.has_magic(text):
        found = sorted(map(Path, glob.glob(text, recursive=True)), key=natural)  # noqa: PTH207  absolute ones, too
        if not found:
            raise DataError(f"nothing matches {text}: mend the pattern")
        return Files.of(_name_of_pattern(path), found)
    return Folder(path)


def as_source(given: Path | Source) -> Source:
    """Return a source as it is, and what a path names (see ``source_of``)."""
    return source_of(given) if isinstance(given, Path) else given


def table_column(table: Path, column: str) -> Files:
    """Return the volumes that a table names, one a row; paths are relative to the table.

    A column ``patient`` says whom each volume belongs to.

    Args:
        table: CSV, or TSV by its suffix.
        column: its column of paths; rows without one are left out.

    Raises:
        DataError: the table cannot be read, lacks the column, or names a file that does not exist.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
            rows, columns = list(reader), list(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a table ({error}): mend the file") from error
    if column not in columns:
        raise DataError(f"{table} has no column '{column}': choose from {', '.join(columns) or 'none, it is empty'}")
    rows = [row for row in rows if row[column]]
    if not rows:
        raise DataError(f"{table} names no file in its column '{column}'")
    subjects = [row[SUBJECT] or row[column] for row in rows] if SUBJECT in columns else None
    return Files.of(table.stem, [table.parent / row[column] for row in rows], subjects=subjects)


def _ids(files: Sequence[Path]) -> list[str]:
    """Return the files' paths below the folder that they share, without suffixes."""
    whole = [Path(os.path.abspath(path)) for path in files]  # noqa: PTH100  links keep their own names
    shared = Path(os.path.commonpath([path.parent for path in whole])) if whole else Path()
    return [volume_stem(path.relative_to(shared)) for path in whole]


def _name_of_pattern(pattern: Path) -> str:
    """Return the name of the last folder before the first sign of a pattern."""
    plain = [part for part in pattern.parts[: next(i for i, part in enumerate(pattern.parts) if glob.has_magic(part))]]
    return Path(*plain).resolve().name if plain else Path().resolve().name
