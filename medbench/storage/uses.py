"""Which run rests on which files of ``MEDBENCH_HOME``, so that none goes that an unfinished run still needs.

Prepared volumes and cache entries are shared by all runs and can be made again. A run says at its beginning which of
them it will read, and at its end which it has read. How recently a file was used is the time of its seal.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medbench.spec import fingerprint
from medbench.storage.files import write_json
from medbench.storage.home import home
from medbench.storage.seals import seal_of

_FOLDER = "uses"


@dataclass(frozen=True)
class Use:
    """What one run or evaluation reads of ``MEDBENCH_HOME``.

    Args:
        folder: the run's.
        files: relative to ``MEDBENCH_HOME``, files and folders.
        begun: seconds since the epoch.
        finished: whether its results are written.
    """

    folder: Path
    files: frozenset[str]
    begun: float
    finished: bool

    @property
    def needs_files(self) -> bool:
        """Whether the run is unfinished and its folder still there."""
        return not self.finished and self.folder.is_dir()


def touch(path: Path) -> None:
    """Note that a sealed file was used just now; one that lies where nothing may be written keeps its time."""
    with contextlib.suppress(OSError):
        os.utime(seal_of(path))


def begin(folder: Path, files: Iterable[Path]) -> None:
    """Note that the run in ``folder`` will read these files, too; those outside ``MEDBENCH_HOME`` are left out.

    What was noted since it began stays: shards of one run read different files.
    """
    earlier = next((use for use in uses() if use.folder == folder.resolve() and not use.finished), None)
    noted = [home() / name for name in earlier.files] if earlier else []
    _write(folder, [*files, *noted], finished=False, begun=earlier.begun if earlier else time.time())


def finish(folder: Path, files: Iterable[Path]) -> None:
    """Note that the run in ``folder`` is finished and read these files."""
    _write(folder, files, finished=True, begun=time.time())


def uses() -> list[Use]:
    """Return what is noted of all runs whose folders still exist."""
    return [use for use in _noted() if use.folder.is_dir()]


def _write(folder: Path, files: Iterable[Path], *, finished: bool, begun: float) -> None:
    below = home().resolve()
    inside = {path.resolve() for path in files}
    document = {
        "folder": str(folder.resolve()),
        "finished": finished,
        "begun": begun,
        "files": sorted(path.relative_to(below).as_posix() for path in inside if path.is_relative_to(below)),
    }
    write_json(home() / _FOLDER / f"{fingerprint(document['folder'])}.json", document)


def _noted() -> Iterator[Use]:
    for path in sorted((home() / _FOLDER).glob("[!.]*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # damaged: nobody is known by it
            found = json.loads(path.read_bytes())
            yield Use(Path(found["folder"]), frozenset(found["files"]), float(found["begun"]), bool(found["finished"]))
