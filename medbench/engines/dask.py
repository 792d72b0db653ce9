"""Engine ``dask``: a Dask cluster that runs already, found by the address of its scheduler."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from medbench.engines.shipping import Place, Shipped, marked_place
from medbench.errors import MedbenchError, MissingExtraError, SpecError
from medbench.extras import missing

SCHEDULER: Final = "MEDBENCH_DASK_SCHEDULER"
_PATIENCE_S: Final = 20
_GPU: Final = "GPU"


@contextmanager
def dask(workers: int | None, options: Mapping[str, str], *, gpu: bool) -> Iterator[Executor]:
    """Yield an executor over the workers of a Dask cluster; work of a worker that dies is given to another.

    Args:
        workers: tasks under way at a time; None: as many as the cluster has workers.
        options: ``scheduler``, else MEDBENCH_DASK_SCHEDULER.
        gpu: whether the work uses a GPU: a task takes one of the workers' resource ``GPU`` where they declare it.

    Raises:
        MissingExtraError: dask.distributed is not installed.
        SpecError: no scheduler is named, it does not answer, or it has no workers.
    """
    if lack := missing("cluster", "--engine dask"):
        raise MissingExtraError(lack)
    from distributed import Client

    if unknown := options.keys() - {"scheduler"}:
        raise SpecError(f"--engine dask has no option {', '.join(sorted(unknown))}: it has scheduler=tcp://HOST:8786")
    address = options.get("scheduler") or os.environ.get(SCHEDULER)
    if not address:
        raise SpecError(f"which Dask scheduler? Give --engine-option scheduler=tcp://HOST:8786 or set {SCHEDULER}")
    try:
        client: Any = Client(address, timeout=_PATIENCE_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise SpecError(
            f"no Dask scheduler answers at {address}: start one there (dask scheduler), or correct the address"
        ) from error
    with client, marked_place() as place:
        pool = _Pool(client, place, workers, gpu=gpu)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


class _Pool(Executor):
    """dask.distributed's own executor, with calls shipped, a bound on those under way, and its errors in words."""

    def __init__(self, client: Any, place: Place, workers: int | None, *, gpu: bool) -> None:
        self._place = place
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError as error:
            raise SpecError(
                f"the Dask scheduler at {client.scheduler.address} has no workers: start some (dask worker "
                f"{client.scheduler.address} --nthreads 1)"
            ) from error
        known = client.scheduler_info(n_workers=-1)["workers"]
        resources = {_GPU: 1} if gpu and any(_GPU in worker["resources"] for worker in known.values()) else None
        self._inner: Executor = client.get_executor(pure=False, resources=resources)
        self._free = workers if workers is not None else sys.maxsize
        self._waiting: deque[tuple[Shipped, Future[Any]]] = deque()
        self._changing = threading.RLock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Ship a call to a worker, at once or when one of those under way has ended."""
        told: Future[Any] = Future()
        with self._changing:
            self._waiting.append((Shipped.of(self._place, fn, *args, **kwargs), told))
        self._send()
        return told

    def _send(self) -> None:
        with self._changing:
            while self._free and self._waiting:
                call, told = self._waiting.popleft()
                if told.set_running_or_notify_cancel():
                    self._free -= 1
                    self._inner.submit(call).add_done_callback(partial(self._tell, told))

    def _tell(self, told: Future[Any], done: Future[Any]) -> None:
        with self._changing:
            self._free += 1
        error = CancelledError() if done.cancelled() else done.exception()
        if error is None:
            told.set_result(done.result())
        else:
            told.set_exception(_in_words(error))
        self._send()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; what is under way is waited for unless it is to be cancelled."""
        with self._changing:
            while cancel_futures and self._waiting:
                self._waiting.popleft()[1].cancel()
        self._inner.shutdown(wait=wait and not cancel_futures)


def _in_words(error: BaseException) -> BaseException:
    from distributed import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    return MedbenchError(
        f"several Dask workers died over one task ({error.last_worker.address} last), as a rule for want of memory: "
        "give them more, and the same command goes on where it stopped"
    )
