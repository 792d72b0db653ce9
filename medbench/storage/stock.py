"""What lies in ``MEDBENCH_HOME`` and can be made again: shown by kind, and removed by age or by run."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import SpecError
from medbench.progress import Progress
from medbench.storage.files import storage_errors
from medbench.storage.home import home
from medbench.storage.seals import SUFFIX, check, seal_of
from medbench.storage.uses import Use, uses

_DAY_S = 86_400
_SHARD = 2  # hexadecimal digits that name the folders among which a kind's entries are spread


@dataclass(frozen=True)
class Stored:
    """A sealed file, or a folder in which a metric trains.

    Args:
        name: relative to ``MEDBENCH_HOME``.
        kind: ``prepared/DATASET`` or ``cache/KIND``.
        bytes: on disk, with its seal.
        used: when it was last used, seconds since the epoch.
    """

    name: str
    kind: str
    bytes: int
    used: float


@dataclass(frozen=True)
class Pruned:
    """What a removal took and what it left.

    Args:
        removed: what is gone, or would be.
        needed: what was asked for and stays, since an unfinished run needs it.
        holders: the folders of these runs.
    """

    removed: Sequence[Stored]
    needed: Sequence[Stored]
    holders: Sequence[Path]


def stock() -> list[Stored]:
    """Return all that is prepared or cached, in order of name."""
    return sorted(_found(), key=lambda one: one.name)


def prune(*, now: float, older_than_days: float | None = None, run: Path | None = None, dry: bool = False) -> Pruned:
    """Remove what can be made again and no unfinished run needs.

    Args:
        now: seconds since the epoch.
        older_than_days: what was not used for so long.
        run: what this run alone used, of all runs whose folders still exist.
        dry: remove nothing.

    Raises:
        SpecError: neither is given, or nothing is known of the run.
        StorageError: a file cannot be removed.
    """
    if older_than_days is None and run is None:
        raise SpecError("what is to go? Give --older-than DAYS, --run RUN or both")
    known = uses()
    of_run = None if run is None else _of_run_alone(run, known)
    asked = [
        one
        for one in stock()
        if (older_than_days is None or one.used < now - older_than_days * _DAY_S)
        and (of_run is None or one.name in of_run)
    ]
    unfinished = [use for use in known if use.needs_files and (run is None or use.folder != run.resolve())]
    removed, needed, holders = [], [], set()
    for one in asked:
        held_by = [use.folder for use in unfinished if one.name in use.files or one.used >= use.begun]
        if held_by:
            needed.append(one)
            holders.update(held_by)
            continue
        removed.append(one)
        if not dry:
            _remove(home() / one.name)
    return Pruned(removed, needed, sorted(holders))


def damaged(progress: Progress) -> list[Stored]:
    """Read all sealed files through; return those that are not what was written: they will be made again.

    Args:
        progress: told about every file.
    """
    sealed = [one for one in stock() if seal_of(home() / one.name).is_file()]
    tracked = progress.track(sealed, task="check stored files", total=len(sealed))
    return [one for one in tracked if not check(home() / one.name)]


def _of_run_alone(run: Path, known: Sequence[Use]) -> Collection[str]:
    own = next((use for use in known if use.folder == run.resolve()), None)
    if own is None:
        raise SpecError(f"nothing is known of {run}: 'medbench cache show' lists the runs that use what is stored")
    return own.files - {name for use in known if use is not own for name in use.files}


def _found() -> Iterator[Stored]:
    for folder in (home() / "prepared").glob("[!.]*"):
        yield from (_sealed(path, folder) for path in folder.rglob("[!.]*") if _is_entry(path))
    for folder in (home() / "cache").glob("[!.]*"):
        for inner in folder.glob("[!.]*"):
            if len(inner.name) == _SHARD:
                yield from (_sealed(path, folder) for path in inner.glob("[!.]*") if _is_entry(path))
            elif inner.is_dir():
                files = [path for path in inner.rglob("*") if path.is_file()] or [inner]
                stats = [path.stat() for path in files]
                yield _stored(inner, folder, sum(one.st_size for one in stats), max(one.st_mtime for one in stats))


def _is_entry(path: Path) -> bool:
    return path.is_file() and path.suffix != SUFFIX


def _sealed(path: Path, kind: Path) -> Stored:
    stats = [each.stat() for each in (path, seal_of(path)) if each.is_file()]
    return _stored(path, kind, sum(one.st_size for one in stats), max(one.st_mtime for one in stats))


def _stored(path: Path, kind: Path, size: int, used: float) -> Stored:
    return Stored(path.relative_to(home()).as_posix(), kind.relative_to(home()).as_posix(), size, used)


def _remove(path: Path) -> None:
    with storage_errors(path):
        if path.is_dir():
            shutil.rmtree(path)
            return
        path.unlink(missing_ok=True)
        seal_of(path).unlink(missing_ok=True)
