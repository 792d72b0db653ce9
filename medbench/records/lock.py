"""One process at a time in a run folder, or several that each do a part: the next one waits, and says for whom.

Who works on all of a folder holds its lock and those of all parts; who works on a part takes the folder's lock only to
take its own. So parts go on side by side, no two processes do the same part, and nobody collects while one is at work.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from medbench.progress import Progress
from medbench.records.run import LOCK
from medbench.storage.files import make_folder, storage_errors, sweep, write_json

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def held(
    folder: Path, progress: Progress, part: str = "", *, first: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Keep other processes out of a folder, or those of the same part; what killed writers left is removed first.

    A part does not remove what others may be writing.

    The system releases the lock of a process that dies. Of the processes of a training on several GPUs, which share the
    folder, only the first takes it. A folder that cannot be written needs none: nobody works in it.

    Args:
        folder: made if absent.
        progress: told who holds the folder, where another process must be waited for.
        part: names a part that is worked on beside others; empty: all.
        first: called while nobody else is in the folder.

    Raises:
        StorageError: the folder cannot be made.
    """
    if int(os.environ.get("RANK", "0")) or (folder.is_dir() and not os.access(folder, os.W_OK)):
        yield
        return
    make_folder(folder)
    with ExitStack() as locks:
        if part:
            with _taken(folder / LOCK, progress):
                locks.enter_context(_taken(folder / f"{LOCK}-{part}", progress))
                first()
        else:
            locks.enter_context(_taken(folder / LOCK, progress))
            for other in [path for path in sorted(folder.glob(f"{LOCK}-*")) if path.suffix != ".json"]:
                locks.enter_context(_taken(other, progress))
                other.unlink(missing_ok=True)  # nobody waits for it who does not hold the folder's lock
            sweep(folder)
            first()
        yield


@contextmanager
def _taken(file: Path, progress: Progress) -> Iterator[None]:
    lock, holder = FileLock(file), file.with_name(f"{file.name}.json")
    with storage_errors(file):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.note(f"{file.parent} is in use by {_holder(holder)}: waiting until it has ended")
            lock.acquire()
    try:
        write_json(holder, _self())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def alone(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Let a method run while no other process works in its object's ``folder``; ``progress`` is told of a wait.

    What it calls of the same object may be ``alone``, too.
    """

    @functools.wraps(method)
    def locked(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.folder.is_held:
            return method(self, *args, **kwargs)
        self.folder.require_ours()
        with held(self.folder.path, self.progress):
            self.folder.is_held = True
            try:
                return method(self, *args, **kwargs)
            finally:
                self.folder.is_held = False

    return locked


def _self() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join(sys.argv),
    }


def _holder(file: Path) -> str:
    """Return who says that a lock is his; a process that has just begun may not have said it yet."""
    try:
        found = json.loads(file.read_bytes())
        return f"process {found['pid']} on {found['host']} since {found['since']} ({found['command']})"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
