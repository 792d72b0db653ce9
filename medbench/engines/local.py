"""Engine ``local``: spawned processes of this machine, each with a GPU of its own where there are several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from medbench import plugin_files
from medbench.engines.work import no_workers
from medbench.processes import end_with_parent

_WORTH_PROCESSES = 2**27  # voxels: two CTs of 512 x 512 x 256, or half a minute of work
_WORKER_BYTES = 2**29  # interpreter and libraries
_BYTES_A_VOXEL = 24  # what a worker holds at its peak, see docs/scale.md


@contextmanager
def local(workers: int, gpus: Sequence[str] = ()) -> Iterator[Executor | None]:
    """Yield an executor over processes of this machine, or None for one worker: the work then stays in this process.

    So it does in a daemonic process (a scheduler's worker, a DataLoader's), which may have no children.

    Args:
        workers: processes.
        gpus: values of CUDA_VISIBLE_DEVICES that the processes take in turn; empty: they see what this process sees.

    Raises:
        SpecError: this machine gives no more processes; the message says ``--workers 1``.
    """
    if workers <= 1 or multiprocessing.current_process().daemon:
        yield None
        return
    try:
        # Spawned, not forked: forking a process that has started threads (torch, BLAS) may hang.
        context = multiprocessing.get_context("spawn")
        places: SimpleQueue[str] | None = None
        if gpus:
            places = context.SimpleQueue()
            for number in range(workers):
                places.put(gpus[number % len(gpus)])
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_begin, initargs=(plugin_files.imported_files(), places)
        )
    except (OSError, ImportError) as error:  # no shared memory, or no semaphores in it
        raise no_workers(error) from error
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def threads(workers: int) -> Iterator[Executor | None]:
    """Yield an executor over threads of this process; None for one worker."""
    if workers <= 1:
        yield None
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(files: list[Path], places: SimpleQueue[str] | None) -> None:
    end_with_parent()
    if places is not None:  # before anything of CUDA is imported
        os.environ["CUDA_VISIBLE_DEVICES"] = places.get()
    for file in files:
        plugin_files.import_file(file)


def workers_for(voxels: int, volumes: int, beside_bytes: int = 0) -> int:
    """Return how many processes are worth their start: 1, or as many as cores and memory allow.

    Args:
        voxels: of all volumes together.
        volumes: how many there are.
        beside_bytes: memory of what each of them starts beside itself.
    """
    import psutil

    if voxels < _WORTH_PROCESSES:
        return 1
    room = psutil.virtual_memory().available // (_WORKER_BYTES + beside_bytes + _BYTES_A_VOXEL * voxels // volumes)
    return max(1, min(available_cores(), room))


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
