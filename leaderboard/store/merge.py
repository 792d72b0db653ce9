"""Other boards, and folders of runs, into a store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.store.entry import Entry, read_entry
from leaderboard.store.store import Added, Store
from medbench.errors import DataError, MedbenchError, SpecError
from medbench.progress import Progress


@dataclass(frozen=True)
class Merged:
    """What came of a merge.

    Args:
        outcomes: of each run, by its id.
        left_out: what was not taken, with the reason.
    """

    outcomes: dict[str, Added]
    left_out: tuple[str, ...]


def merge(store: Store, other: str, progress: Progress) -> Merged:
    """Add all runs of another store, or of all results.json files below a folder.

    A run that cannot be taken is left out with its reason; all others come in.

    Args:
        store: gains the runs.
        other: a URL, an SQLite file, or a folder.
        progress: told about every run.

    Raises:
        DataError: there is nothing to merge.
    """
    outcomes: dict[str, Added] = {}
    left_out = []
    found = _of_folder(Path(other)) if Path(other).is_dir() else _of_store(other, store)
    for where, entry in progress.track(found, task="merge"):
        if isinstance(entry, MedbenchError):
            left_out.append(str(entry))
            continue
        try:
            (outcomes[entry.run["id"]],) = store.add([entry])
        except SpecError as error:
            left_out.append(f"{where}: {error}")
    return Merged(outcomes, tuple(left_out))


def _of_folder(folder: Path) -> Iterator[tuple[str, Entry | MedbenchError]]:
    files = sorted(folder.rglob("results.json"))
    if not files:
        raise DataError(f"{folder} holds no results.json: name a folder of runs, or another leaderboard")
    for file in files:
        try:
            yield str(file), read_entry(file)
        except MedbenchError as error:
            yield str(file), error


def _of_store(other: str, store: Store) -> Iterator[tuple[str, Entry]]:
    opened = Store.open(other)
    if opened.name == store.name:
        raise SpecError(f"{store.name} cannot be merged with itself: name another leaderboard")
    for entry in opened.entries():
        yield f"{opened.name} {entry.run['id']}", entry
