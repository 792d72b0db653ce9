"""Which engine works on volumes: it gives a ``concurrent.futures.Executor`` and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from medbench.errors import SpecError

ENGINES: Final = ("local", "slurm", "dask")
DEFAULT_JOBS: Final = 8


@dataclass(frozen=True)
class Engine:
    """Where work over many volumes is done.

    Args:
        name: ``local``: processes of this machine; ``slurm``: jobs of a SLURM cluster; ``dask``: a Dask cluster.
        workers: processes or jobs at a time; None: as many as there are cores (local), 8 jobs (slurm), all
            workers (dask).
        options: of the cluster: for ``slurm`` those of sbatch, for ``dask`` ``scheduler``.
        device: torch device that was asked for; workers of a cluster resolve it by themselves.

    Raises:
        SpecError: no such engine, or options without one that takes them.
    """

    name: str = "local"
    workers: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise SpecError(f"--engine {self.name}: there is no such engine: choose from {', '.join(ENGINES)}")
        if self.options and self.name == "local":
            raise SpecError("--engine-option goes with --engine slurm or dask: leave it out")

    @property
    def is_remote(self) -> bool:
        """Whether the work is done by processes that this one has not started."""
        return self.name != "local"

    def parts(self, count: int, *, device: str) -> int:
        """Return into how many parts work is cut of which each loads a network: for each GPU or worker one.

        On this machine's CPU that is one unless workers were asked for; a single GPU is not shared.

        Args:
            count: items.
            device: as for ``executor``.

        Raises:
            SpecError: no such device here.
        """
        if self.is_remote:
            return min(count, self.workers or DEFAULT_JOBS)
        from medbench.engines.devices import gpus_to_share, resolve_device

        gpus = len(gpus_to_share(device))
        if not gpus and resolve_device(device) == "cpu":
            return min(count, self.workers or 1)
        return min(count, gpus or 1, self.workers or count)

    @contextmanager
    def executor(self, count: int, *, device: str = "cpu") -> Iterator[Executor | None]:
        """Yield an executor for ``count`` items; None: this process does the work itself.

        Args:
            count: items.
            device: torch device that the work was asked to use. Of several GPUs of this machine each process is given
                one, of a cluster's each job.

        Raises:
            MissingExtraError: the engine's library is not installed.
            SpecError: the cluster does not answer, or this machine gives no more processes.
        """
        opened: AbstractContextManager[Executor | None]
        if self.name == "slurm":
            from medbench.engines.slurm import slurm

            opened = slurm(self.workers or DEFAULT_JOBS, self.options, gpu=device.startswith("cuda"))
        elif self.name == "dask":
            from medbench.engines.dask import dask

            opened = dask(self.workers, self.options, gpu=device != "cpu")
        else:
            from medbench.engines.devices import gpus_to_share
            from medbench.engines.local import available_cores, local

            opened = local(min(self.workers or available_cores(), count), gpus_to_share(device))
        with opened as executor:
            yield executor

    @contextmanager
    def looking(self, count: int, *, device: str, voxels: int, beside_bytes: int = 0) -> Iterator[Executor | None]:
        """Yield an executor as ``executor`` does, for work that reads volumes and computes something of each.

        Where no number of workers was given, volumes so small that processes would take longer to start than they save
        stay in this process, and memory bounds the workers. Beside a single GPU they are threads of this process: while
        a network looks at one volume, others are read.

        Args:
            count: volumes.
            device: torch device of the networks.
            voxels: of all volumes together.
            beside_bytes: memory of a process that each process of this machine starts beside itself.
        """
        from medbench.engines.devices import gpus_to_share
        from medbench.engines.local import local, threads, workers_for

        if self.is_remote:
            with self.executor(count, device=self.device) as executor:
                yield executor
            return
        gpus = gpus_to_share(device)
        in_threads = device != "cpu" and not gpus
        beside_each = 0 if in_threads else beside_bytes  # threads share theirs
        workers = min(self.workers or (len(gpus) or workers_for(voxels, count, beside_each)), count)
        with threads(workers) if in_threads else local(workers, gpus) as executor:
            yield executor


def parse_options(pairs: Sequence[str]) -> dict[str, str]:
    """Return the options of a cluster from texts like ``partition=gpu``.

    Raises:
        SpecError: not a pair, or one name twice.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip().lstrip("-").replace("_", "-")
        if not separator or not name or name in options:
            raise SpecError(f"--engine-option {pair}: give KEY=VALUE, each key once")
        options[name] = value.strip()
    return options
