"""One process at a time in a run folder: the next one waits, and says for whom."""

from __future__ import annotations

import functools
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from medbench.progress import Progress
from medbench.records.run import HOLDER, LOCK
from medbench.storage.files import make_folder, storage_errors, sweep, write_json

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def held(folder: Path, progress: Progress) -> Iterator[None]:
    """Keep other processes out of a folder; what killed writers left in it is removed first.

    The system releases the lock of a process that dies. Of the processes of a training on several GPUs, which share the
    folder, only the first takes it. A folder that cannot be written needs none: nobody works in it.

    Args:
        folder: made if absent.
        progress: told who holds the folder, where another process must be waited for.

    Raises:
        StorageError: the folder cannot be made.
    """
    if int(os.environ.get("RANK", "0")) or (folder.is_dir() and not os.access(folder, os.W_OK)):
        yield
        return
    lock = FileLock(make_folder(folder) / LOCK)
    with storage_errors(folder / LOCK):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.note(f"{folder} is in use by {_holder(folder)}: waiting until it has ended")
            lock.acquire()
    try:
        sweep(folder)
        write_json(folder / HOLDER, _self())
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
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


def _holder(folder: Path) -> str:
    """Return who says that the folder is his; a process that has just begun may not have said it yet."""
    try:
        found = json.loads((folder / HOLDER).read_bytes())
        return f"process {found['pid']} on {found['host']} since {found['since']} ({found['command']})"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
