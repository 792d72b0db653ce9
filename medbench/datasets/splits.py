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
from medbench.records.collection import composed, volume_stem

SPLIT_FILES = ("splits.json", "splits.csv")
_SPLITS: dict[str, Split] = {name: name for name in get_args(Split)}


@dataclass(frozen=True)
class Entry:
    """One case of a split file: a volume's id, its split, and its patient (the id where the file does not say)."""

    id: str
    split: Split
    patient: str


def split_file(root: Path) -> Path | None:
    """Return a folder's split file, or None.

    Raises:
        DataError: it has two.
    """
    found = [path for name in SPLIT_FILES if (path := root / name).is_file()]
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
    known = {composed(name): name for name in ids}
    entries: dict[str, Entry] = {}
    split_of: dict[str, Split] = {}  # by patient
    for row in _from_json(path, text) if path.suffix == ".json" else _from_csv(path, text):
        name, split, patient = (word.strip() for word in row)
        name = volume_stem(Path(name)) if name else ""
        name = known.get(composed(name), name)
        if split not in _SPLITS:
            raise DataError(f"{path} puts '{name}' into the split '{split}': use one of {', '.join(_SPLITS)}")
        if name not in ids:
            raise DataError(f"{path} lists '{name}', and no volume has this id: correct the id or delete its entry")
        if name in entries:
            raise DataError(f"{path} lists '{name}' twice: delete one of the entries")
        entry = entries[name] = Entry(name, _SPLITS[split], patient or name)
        if (other := split_of.setdefault(entry.patient, entry.split)) != split:
            raise DataError(
                f"{path} has patient '{entry.patient}' in both {other} and {split}: "
                "put all volumes of a patient into one split"
            )
    return list(entries.values())


def _from_json(path: Path, text: str) -> Iterable[tuple[str, str, str]]:
    wanted = '{"train": [ids], "select": [ids], "test": [ids]}'
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON (line {error.lineno}: {error.msg}): write {wanted}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of brackets
        raise DataError(f"{path} does not list ids by split: write {wanted}") from error
    if not isinstance(document, dict) or not all(isinstance(ids, list) for ids in document.values()):
        raise DataError(f"{path} does not list ids by split: write {wanted}")
    return [(str(name), split, "") for split, ids in document.items() for name in ids]


def _from_csv(path: Path, text: str) -> Iterable[tuple[str, str, str]]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        if missing := {"id", "split"} - set(rows.fieldnames or ()):
            columns = " and ".join(sorted(missing))
            raise DataError(f"{path} has no column {columns}: its first line must be id,split or id,split,patient")
        return [(row["id"] or "", row["split"] or "", row.get("patient") or "") for row in rows]
    except csv.Error as error:
        raise DataError(f"{path} line {rows.line_num} is damaged ({error}): correct it") from error
