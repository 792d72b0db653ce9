"""A function over many items, in this process or over an executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, as_completed
from typing import TypeVar

from medbench.errors import MedbenchError, SpecError

T = TypeVar("T")
R = TypeVar("R")


def run_all(function: Callable[[T], R], items: Sequence[T], *, executor: Executor | None) -> Iterator[R]:
    """Yield the results in the order in which they become ready.

    Args:
        function: idempotent, as what a killed worker had begun is done again; picklable where there is an executor.
        items: what it is called with.
        executor: of an engine; None: this process.

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
        raise no_workers(error) from error
    for future in as_completed(futures):
        try:
            yield future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise MedbenchError(
                "a worker process was killed (as a rule for want of memory): give fewer --workers, and the same "
                "command goes on where it stopped"
            ) from error


def no_workers(error: Exception) -> SpecError:
    """Return what to say where this machine gives no more processes."""
    return SpecError(f"no worker processes can be started here ({error}): give --workers 1")
