"""The engine maps a function over volumes: an engine is nothing but a ``concurrent.futures.Executor``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from medbench import plugin_files

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def local(workers: int) -> Iterator[Executor | None]:
    """Yield an executor over processes of this machine, or None for one worker: the work then stays in this process."""
    if workers <= 1:
        yield None
        return
    # Spawned, not forked: forking a process that has started threads (torch, BLAS) may hang.
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_import_plugins,
        initargs=(plugin_files.imported_files(),),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _import_plugins(files: list[Path]) -> None:
    for file in files:
        plugin_files.import_file(file)


def run_all(function: Callable[[T], R], items: Sequence[T], *, executor: Executor | None) -> Iterator[R]:
    """Yield the results in the order in which they become ready."""
    if executor is None:
        for item in items:
            yield function(item)
        return
    for future in as_completed([executor.submit(function, item) for item in items]):
        yield future.result()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
