"""The split file of a folder: which case is for training, which for selection, which is held out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from medbench.datasets.base import Split
from medbench.errors import DataError
from medbench.records.samples import volume_stem

_SPLITS: dict[str, Split] = {name: name for name in get_args(Split)}


@dataclass(frozen=True)
class Entry:
    """One case of a split file.

    Args:
        id: the volume's id.
        split: where it belongs.
        patient: the person; the id itself where the file does not say.
    """

    id: str
    split: Split
    patient: str


def split_file(root: Path) -> Path | None:
    """Return a folder's split file, or None.

    Raises:
        DataError: it has two.
    """
    found = [path for name in ("splits.json", "splits.csv") if (path := root / name).is_file()]
    if len(found) > 1:
        raise DataError(f"{root} has both splits.json and splits.csv: delete one of them")
    return found[0] if found else None


def read_splits(path: Path, ids: Collection[str]) -> list[Entry]:
    """Read a split file; cases that it does not list are left out of the data set.

    ``splits.json``: ``{"train": [ids], "select": [ids], "test": [ids]}``. ``splits.csv``: columns ``id``, ``split``
    and, where a person has several volumes, ``patient``. An id may carry its file's suffix.

    Args:
        path: the file.
        ids: of the volumes that are there.

    Raises:
        DataError: damaged; an id that no volume has or that is listed twice; a patient in two splits.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    entries = list(_from_json(path, text) if path.suffix == ".json" else _from_csv(path, text))
    _check(path, entries, ids)
    return entries


def _from_json(path: Path, text: str) -> Iterable[Entry]:
    wanted = '{"train": [ids], "select": [ids], "test": [ids]}'
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON (line {error.lineno}: {error.msg}): write {wanted}") from error
    if not isinstance(document, dict) or not all(isinstance(ids, list) for ids in document.values()):
        raise DataError(f"{path} does not list ids by split: write {wanted}")
    for split, ids in document.items():
        for name in ids:
            yield _entry(path, str(name), split, None)


def _from_csv(path: Path, text: str) -> Iterable[Entry]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = {"id", "split"} - set(rows.fieldnames or ())
    if missing:
        columns = " and ".join(sorted(missing))
        raise DataError(f"{path} has no column {columns}: its first line must be id,split or id,split,patient")
    for row in rows:
        yield _entry(path, row["id"] or "", row["split"] or "", row.get("patient"))


def _entry(path: Path, name: str, split: str, patient: str | None) -> Entry:
    name = volume_stem(Path(name.strip())) if name.strip() else ""
    if split.strip() not in _SPLITS:
        raise DataError(f"{path} puts '{name}' into the split '{split}': use one of {', '.join(_SPLITS)}")
    return Entry(name, _SPLITS[split.strip()], (patient or "").strip() or name)


def _check(path: Path, entries: list[Entry], ids: Collection[str]) -> None:
    split_of_id: dict[str, Split] = {}
    split_of_patient: dict[str, Split] = {}
    for entry in entries:
        if entry.id not in ids:
            raise DataError(f"{path} lists '{entry.id}', and no volume has this id: correct the id or delete its entry")
        if entry.id in split_of_id:
            raise DataError(f"{path} lists '{entry.id}' twice: delete one of the entries")
        split_of_id[entry.id] = entry.split
        other = split_of_patient.setdefault(entry.patient, entry.split)
        if other != entry.split:
            raise DataError(
                f"{path} has patient '{entry.patient}' in both {other} and {entry.split}: "
                "put all volumes of a patient into one split"
            )
