"""The engine maps a function over volumes: an engine is nothing but a ``concurrent.futures.Executor``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from medbench import plugin_files
from medbench.errors import MedbenchError, SpecError
from medbench.processes import end_with_parent

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def local(workers: int) -> Iterator[Executor | None]:
    """Yield an executor over processes of this machine, or None for one worker: the work then stays in this process.

    So it does in a daemonic process (a scheduler's worker, a DataLoader's), which may have no children.

    Raises:
        SpecError: this machine gives no more processes; the message says ``--workers 1``.
    """
    if workers <= 1 or multiprocessing.current_process().daemon:
        yield None
        return
    try:
        # Spawned, not forked: forking a process that has started threads (torch, BLAS) may hang.
        pool = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(plugin_files.imported_files(),),
        )
    except (OSError, ImportError) as error:  # no shared memory, or no semaphores in it
        raise _no_workers(error) from error
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(files: list[Path]) -> None:
    end_with_parent()
    for file in files:
        plugin_files.import_file(file)


def run_all(function: Callable[[T], R], items: Sequence[T], *, executor: Executor | None) -> Iterator[R]:
    """Yield the results in the order in which they become ready.

    Raises:
        SpecError: this machine gives no more processes or threads.
        MedbenchError: a worker was killed.
    """
    if executor is None:
        for item in items:
            yield function(item)
        return
    try:
        futures = [executor.submit(function, item) for item in items]
    except (OSError, RuntimeError) as error:
        raise _no_workers(error) from error
    for future in as_completed(futures):
        try:
            yield future.result()
        except BrokenProcessPool as error:
            raise MedbenchError(
                "a worker process was killed (as a rule for want of memory): give fewer --workers, and the same "
                "command goes on where it stopped"
            ) from error


def _no_workers(error: Exception) -> SpecError:
    return SpecError(f"no worker processes can be started here ({error}): give --workers 1")


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
