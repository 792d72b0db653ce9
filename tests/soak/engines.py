"""Runs on local processes, SLURM and Dask whose workers and commands are killed at random; the numbers must stay."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.append(str(Path(__file__).parents[1]))
import clusters

MOST_KILLS = 4


def trials(
    command: Callable[[Sequence[str], dict[str, str]], subprocess.Popen[bytes]],
    judged: Callable[[subprocess.Popen[bytes], bytes], str],
    fresh: Callable[[], object],
    count: int,
    chance: np.random.Generator,
) -> Counter[str]:
    """Kill workers or the command a few times, start it again until it ends, and judge the numbers.

    Args:
        command: starts a run with these words and variables.
        judged: what became of a run that has ended.
        fresh: makes an empty place for the next run.
        count: runs an engine.
        chance: decides what is killed and when.
    """
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="medbench-soak-") as folder, _engines(Path(folder)) as engines:
        for _ in range(count):
            for name, (words, variables, victims) in engines.items():
                fresh()
                begin = lambda words=words, variables=variables: command(words, variables)  # noqa: E731
                tally[f"engine {name}: {_until_done(name, begin, victims, judged, chance, tally)}"] += 1
    return tally


def _until_done(
    name: str,
    begin: Callable[[], subprocess.Popen[bytes]],
    victims: Callable[[int], Sequence[Callable[[], object]]],
    judged: Callable[[subprocess.Popen[bytes], bytes], str],
    chance: np.random.Generator,
    tally: Counter[str],
) -> str:
    kills = 0
    while True:
        process = begin()
        while True:
            try:
                said = process.communicate(timeout=float(chance.uniform(1, 12)) if kills < MOST_KILLS else None)[1]
                break
            except subprocess.TimeoutExpired:
                workers = victims(process.pid)
                if workers and chance.random() < 0.7:
                    workers[int(chance.integers(len(workers)))]()
                    tally[f"engine {name}: worker killed"] += 1
                else:
                    os.killpg(process.pid, signal.SIGKILL)
                    tally[f"engine {name}: command killed"] += 1
                kills += 1
        if process.returncode == -signal.SIGKILL:
            continue
        if process.returncode == 2 and b"a worker process was killed" in said:
            tally[f"engine {name}: told of a killed worker in one line"] += 1
            continue
        return judged(process, said)


@contextlib.contextmanager
def _engines(folder: Path) -> Iterator[dict[str, tuple[list[str], dict[str, str], Any]]]:
    """Yield for each engine the words that choose it, its variables, and what of it can be killed."""
    with clusters.slurm(folder / "slurm") as slurm, clusters.dask(folder / "dask") as dask:

        def jobs(_pid: int) -> list[Callable[[], object]]:
            return [lambda job=job: slurm.kill_a_job(job) for job in slurm.running_jobs()]

        def dask_workers(_pid: int) -> list[Callable[[], object]]:
            return [_killing(pid) for pid in dask.worker_pids()]

        yield {
            "local": ([], {}, _processes),
            "slurm": (["--engine", "slurm"], slurm.environment, jobs),
            "dask": (["--engine", "dask", "--engine-option", f"scheduler={dask.address}"], {}, dask_workers),
        }


def _processes(pid: int) -> list[Callable[[], object]]:
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(pid).children(recursive=True)
        return [_killing(child.pid) for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def _killing(pid: int) -> Callable[[], object]:
    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    return kill
