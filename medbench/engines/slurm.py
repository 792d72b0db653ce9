"""Engine ``slurm``: jobs of a SLURM cluster, submitted by submitit; what a lost job left is given to another one."""

from __future__ import annotations

import io
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medbench.engines.shipping import Place, Shipped, marked_place
from medbench.errors import MedbenchError, MissingExtraError, SpecError
from medbench.extras import missing
from medbench.storage.files import make_folder, storage_errors
from medbench.storage.home import home

_CHUNKS_A_WORKER: Final = 4  # jobs end often enough to share the load, and seldom enough to be worth their start
_MINUTES: Final = 60  # that a job asks for unless --engine-option time=... says more
_LOSSES: Final = 3  # of one call before it is given up
_POLL_S: Final = 0.5
_LOOK_S: Final = 3.0  # between two questions to the scheduler
_GRACE_S: Final = 10.0  # in which a result may still appear on a shared file system after its job has ended
_PATIENCE_S: Final = 30


@contextmanager
def slurm(workers: int, options: Mapping[str, str], *, gpu: bool) -> Iterator[Executor]:
    """Yield an executor over jobs of a SLURM cluster.

    Args:
        workers: jobs at a time.
        options: those of sbatch, by their long names, such as ``partition``, ``account``, ``time``, ``mem``, ``gres``.
        gpu: whether each job is given a GPU, unless the options say otherwise.

    Raises:
        MissingExtraError: submitit is not installed.
        SpecError: there is no SLURM here, or its controller does not answer.
    """
    if lack := missing("cluster", "--engine slurm"):
        raise MissingExtraError(lack)
    import submitit

    require_answer()
    logging.getLogger("submitit").setLevel(logging.ERROR)
    with marked_place() as place:
        folder = make_folder(home() / "engines" / f"slurm-{place.mark.stem}").resolve()
        jobs = submitit.SlurmExecutor(folder)
        jobs.update_parameters(**_parameters(options, gpu=gpu), array_parallelism=workers)
        pool = _Pool(jobs, place, workers)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            if not pool.failed:
                shutil.rmtree(folder, ignore_errors=True)


def require_answer() -> None:
    """Refuse to begin where no SLURM answers.

    Raises:
        SpecError: it does not.
    """
    if shutil.which("sbatch") is None:
        raise SpecError("--engine slurm: there is no sbatch here: run this on a node from which jobs are submitted")
    try:
        asked = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        lines = (asked.stdout + asked.stderr).splitlines()
        answer = " ".join(line for line in lines if not line.startswith("*"))  # a frame that SLURM draws
    except subprocess.TimeoutExpired:
        answer = f"no answer in {_PATIENCE_S} s"
    if " UP" not in answer:
        raise SpecError(f"--engine slurm: the SLURM controller does not answer ({' '.join(answer.split())}): try later")


def options_of_jobs(options: Mapping[str, str], *, gpu: bool) -> dict[str, str]:
    """Return options for sbatch, with a GPU a job where one is wanted and the options do not say which.

    Raises:
        SpecError: one that is medbench's own.
    """
    if own := options.keys() & {"array", "output", "dependency", "parsable"}:
        raise SpecError(f"--engine-option {', '.join(sorted(own))} is medbench's own: leave it out")
    unsaid = gpu and not any(name.startswith(("gpus", "gres")) for name in options)
    return {**options, "gpus-per-node": "1"} if unsaid else dict(options)


def _parameters(options: Mapping[str, str], *, gpu: bool) -> dict[str, Any]:
    """Return what submitit is told: the options of sbatch as they are."""
    given = options_of_jobs(options, gpu=gpu)
    return {"job_name": given.pop("job-name", "medbench"), "time": _MINUTES, "additional_parameters": given}


@dataclass
class _Call:
    shipped: Shipped
    told: Future[Any]
    losses: int = 0


@dataclass(frozen=True)
class _Chunk:
    """What one job does: calls, one after the other. An error of one leaves the others be."""

    calls: Sequence[Shipped]

    def __call__(self) -> list[tuple[Any, BaseException | None]]:
        from submitit.core.utils import UncompletedJobError

        outcomes: list[tuple[Any, BaseException | None]] = []
        for call in self.calls:
            try:
                outcomes.append((call(), None))
            except UncompletedJobError:  # raised by submitit's handler of signals: the job's time is over
                raise
            except Exception as error:  # noqa: BLE001  raised again where the result is awaited
                outcomes.append((None, error))
        return outcomes


class _Pool(Executor):
    """Calls gathered into jobs; a thread submits them, waits for their results, and submits again what was lost."""

    def __init__(self, jobs: Any, place: Place, workers: int) -> None:
        self.failed = False
        self._jobs, self._place, self._workers = jobs, place, workers
        self._new: list[_Call] = []
        self._running: dict[Any, list[_Call]] = {}
        self._ended_since: dict[str, float] = {}
        self._changing, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="medbench-slurm")
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a call to the thread."""
        call = _Call(Shipped.of(self._place, fn, *args, **kwargs), Future())
        with self._changing:
            if self._closing.is_set():
                raise RuntimeError("the engine takes no more calls")
            self._new.append(call)
        return call.told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; what is under way is waited for unless it is to be cancelled."""
        del wait  # the thread must not outlive the folder of its jobs
        if not cancel_futures:
            while self._new or self._running:
                time.sleep(_POLL_S)
        self._closing.set()
        self._thread.join()
        self._cancel_jobs()
        for call in [*self._new, *(call for calls in self._running.values() for call in calls)]:
            call.told.cancel()

    def _serve(self) -> None:
        looked = time.monotonic()
        while not self._closing.wait(_POLL_S):
            try:
                self._submit_new()
                self._collect()
                if self._running and time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    self._look_for_lost()
            except Exception as error:  # noqa: BLE001  told to whoever waits; a thread has nobody else
                self._give_up(error)

    def _submit_new(self) -> None:
        with self._changing:
            new, self._new = self._new, []
        calls = [call for call in new if call.losses or call.told.set_running_or_notify_cancel()]
        if not calls:
            return
        # What was lost goes alone: a call that kills its job takes no other one with it.
        alone = [[call] for call in calls if call.losses]
        fresh = [call for call in calls if not call.losses]
        count = min(len(fresh), self._workers * _CHUNKS_A_WORKER)
        chunks = alone + [fresh[number::count] for number in range(count)]
        try:
            # submitit prints what it also raises
            with redirect_stderr(io.StringIO()), storage_errors(self._jobs.folder), self._jobs.batch():
                jobs = [self._jobs.submit(_Chunk([call.shipped for call in chunk])) for chunk in chunks]
        except Exception:
            with self._changing:
                self._new += calls  # so that they are told
            raise
        self._running.update(zip(jobs, chunks))

    def _collect(self) -> None:
        for job in [job for job in self._running if job.paths.result_pickle.exists()]:
            calls = self._running.pop(job)
            try:
                outcomes = job.result()
            except Exception as error:  # noqa: BLE001  submitit has many
                self._lose(calls, _last_line(str(error)), job)
                continue
            for call, (result, failure) in zip(calls, outcomes):
                if failure is None:
                    call.told.set_result(result)
                else:
                    call.told.set_exception(failure)

    def _look_for_lost(self) -> None:
        alive = _alive({job.job_id.partition("_")[0] for job in self._running})
        if alive is None:
            return
        for job in list(self._running):
            if job.job_id in alive:
                self._ended_since.pop(job.job_id, None)
            elif time.monotonic() - self._ended_since.setdefault(job.job_id, time.monotonic()) > _GRACE_S:
                with suppress(OSError):
                    list(job.paths.folder.iterdir())  # a network file system may show an old one until it is asked
                if not job.paths.result_pickle.exists():
                    self._lose(self._running.pop(job), "it was killed, its node died, or its disk is full", job)

    def _lose(self, calls: Sequence[_Call], reason: str, job: Any) -> None:
        self.failed = True  # its log is kept
        for call in calls:
            call.losses += 1
            if call.losses > _LOSSES:
                call.told.set_exception(
                    MedbenchError(
                        f"SLURM lost the same work {call.losses} times, last in job {job.job_id} ({reason}): see "
                        f"{_log_of(job)}; give the jobs more memory or time, and the same command goes on"
                    )
                )
            else:
                with self._changing:
                    self._new.append(call)

    def _cancel_jobs(self) -> None:
        with suppress(OSError):
            if self._running:
                subprocess.run(["scancel", *(job.job_id for job in self._running)], check=False, capture_output=True)

    def _give_up(self, error: Exception) -> None:
        told = error if isinstance(error, MedbenchError) else _not_submitted(error)
        self._cancel_jobs()
        with self._changing:
            calls, self._new = self._new, []
        for call in [*calls, *(call for one in self._running.values() for call in one)]:
            call.told.set_exception(told)
        self._running.clear()


def _alive(ids: set[str]) -> set[str] | None:
    """Return the jobs of these arrays that wait or run; None where the scheduler does not say."""
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(sorted(ids))}"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if asked.returncode and "Invalid job id" not in asked.stderr:  # that is how it says that all have ended
        return None
    return set(asked.stdout.split())


def _log_of(job: Any) -> Path:
    found: Path = job.paths.stderr
    return found


def _not_submitted(error: Exception) -> SpecError:
    lines = str(error).splitlines()
    said = [line.removeprefix("sbatch: error: ") for line in lines if line.startswith("sbatch: error: ")]
    reason = "; ".join(said) or _last_line(str(error))
    return SpecError(
        f"--engine slurm: the work could not be submitted ({reason}): correct --engine-option, or try later"
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip().strip("-")]
    told = [line for line in lines if not line.startswith(("You can check", "- /"))]
    return (told or lines or ["no reason was given"])[-1]
