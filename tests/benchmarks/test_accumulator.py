"""What judging a checkpoint costs within a training loop. It prints; it decides nothing.

pytest -m benchmark -s tests/benchmarks/test_accumulator.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

import medbench
from medbench.datasets.phantom.dataset import generate

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SHAPE, REAL, SAMPLES = (64, 64, 32), 32, 16


def timed(what: str, work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:48} {wall:7.3f} s, {cpu:7.3f} CPU s")
    return wall, cpu


@pytest.mark.parametrize("metrics", [["fid25d"], ["fid25d", "kid25d", "prdc25d", "mmd3d"]], ids=["one", "four"])
def test_a_checkpoint(metrics: list[str]) -> None:
    real, samples = (
        [generate(seed, SHAPE)[0] for seed in range(first, first + count)]
        for first, count in ((0, REAL), (100, SAMPLES))
    )
    print(f"\n{SHAPE}, {REAL} real volumes, {SAMPLES} samples, {', '.join(metrics)}, seeded-resnet on the CPU")
    judge = medbench.Accumulator(real=real[:2], metrics=metrics, device="cpu")  # loads what is loaded once
    judge.close()
    clock = time.perf_counter()
    with medbench.Accumulator(real=real, metrics=metrics, device="cpu") as judge:
        print(f"real side: {time.perf_counter() - clock:.3f} s")
        found = [timed(f"update {place}", lambda one=one: judge.update(one)) for place, one in enumerate(samples)]
        print(f"update: median {statistics.median(wall for wall, _ in found):.3f} s")
        timed("compute", judge.compute)
        timed("compute again", judge.compute)
        timed("reset", judge.reset)
