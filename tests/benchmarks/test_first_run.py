"""Time and memory of the commands that a newcomer meets. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medbench.datasets.phantom.dataset import generate

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def _timed(arguments: list[str], **environment: str) -> tuple[float, float]:
    """Run a command; return its wall time (s) and the peak resident memory (GiB) of the largest process so far."""
    started = time.monotonic()
    subprocess.run([sys.executable, *arguments], env={**os.environ, **environment}, check=True, capture_output=True)
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.monotonic() - started, peak_kib / 1024**2


def test_help_and_import() -> None:
    for name, arguments in (("--help", ["-m", "cli.main", "--help"]), ("import", ["-c", "import medbench"])):
        seconds, _ = _timed(arguments)
        print(f"\n{name}: {seconds:.2f} s (goal: 1 s)")


def test_first_and_second_run(tmp_path: Path) -> None:
    command = ["-m", "cli.main", "run", "--model", "medlord", "--dataset", "phantom", "--out", str(tmp_path / "run")]
    for name, goal in (("first run", 90), ("same command again", 5)):
        seconds, peak = _timed(command, MEDBENCH_HOME=str(tmp_path / "home"))
        print(f"\n{name}: {seconds:.1f} s (goal: {goal} s), peak {peak:.2f} GiB (goal: 4 GB)")


def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path: Path) -> None:
    for seed in range(160):
        generate(seed, (32, 32, 16))[0].write(tmp_path / "all" / f"{seed:03d}.nii.gz")
    probe = (
        "import resource, sys, medbench\n"
        "medbench.evaluate(sys.argv[1], real=sys.argv[1], metrics=['fid25d'])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    for count in (20, 160):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        for path in sorted((tmp_path / "all").iterdir())[:count]:
            (folder / path.name).symlink_to(path)
        environment = {**os.environ, "MEDBENCH_HOME": str(tmp_path / f"home{count}")}
        done = subprocess.run(
            [sys.executable, "-c", probe, str(folder)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        print(f"\n{count} volumes: peak {done.stdout.strip()} MiB")
