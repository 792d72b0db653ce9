"""CPU time and memory of each metric as subjects become many: the real code, floors and gaps included.

Features are fake and few (8 numbers, 2 slices a volume and plane, one plane), so that what grows is seen and not what a
network costs. Of N subjects, 80 % are training, 10 % held-out, 10 % samples. Nothing is decided here:

    pytest tests/benchmarks/test_growth.py -m benchmark -s

The most subjects are those of MEDBENCH_GROWTH (default 10,000).
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medbench import registry
from medbench.evaluation.cache import Cache
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.floors import against, floor_of
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.evaluation.splits import with_all_comparisons
from medbench.metrics.hu.volume import LEVELS
from medbench.metrics.memorization.nearest import STRIP, candidates, strips
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol, SliceProtocol

METRICS = ("fid25d", "kid25d", "prdc25d", "fid3d", "mmd3d", "frd", "rvr", "hu")
COUNTS = tuple(n for n in (10, 100, 1000, 10_000) if n <= int(os.environ.get("MEDBENCH_GROWTH", "10000")))
DIMENSIONS, SLICES = 8, 2
REGIONS = ("lung_left", "lung_right", "heart")


@dataclass(frozen=True)
class FakeSide(StoredSide):
    """A side whose features are drawn from the volumes' numbers."""

    def _drawn(self) -> Iterator[np.random.Generator]:
        for item in self.items:
            yield np.random.default_rng(int(item.id))

    def slice_features(self, plane: str) -> Iterator[np.ndarray]:
        for rng in self._drawn():
            rows = rng.normal(size=DIMENSIONS) + 0.5 * rng.normal(size=(SLICES, DIMENSIONS))
            yield rows.astype(np.float32)

    def volume_features(self) -> Iterator[np.ndarray]:
        for rng in self._drawn():
            yield rng.normal(size=DIMENSIONS).astype(np.float32)

    def region_voxels(self) -> pd.DataFrame:
        rows = [{name: rng.integers(900, 1100) for name in REGIONS} for rng in self._drawn()]
        return pd.DataFrame(rows, index=pd.Index(self.ids, name="id")).assign(voxels=32768, voxel_ml=0.01)

    def derived(self, name: str, *_: object, **__: object) -> Iterator[dict[str, np.ndarray]]:
        made = {"hu": _hu, "radiomics": _radiomics}[name]
        return map(made, self._drawn())


def _hu(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "names": np.array(REGIONS),
        "voxels": np.full(3, 1000),
        "inside": np.full(3, 800),
        "quantiles": rng.normal(size=(3, 1)) + 20.0 * LEVELS,
        "noise": rng.uniform(1.0, 2.0, size=3),
        "spectrum": rng.uniform(1.0, 2.0, size=8),
        "slices": rng.uniform(0.1, 0.9, size=3),
    }


def _radiomics(rng: np.random.Generator) -> dict[str, np.ndarray]:
    names = ("stat_mean", "stat_var", "cm_contrast", "rlm_sre")
    body, spacing = np.array(900), np.full(3, 1.5)
    return {"names": np.array(names), "values": rng.normal(size=4), "body_voxels": body, "spacing_mm": spacing}


def _evidence(folder: Path, count: int) -> StoredEvidence:
    protocol = Protocol(name="growth", summary="growth", slices=SliceProtocol(planes=("xy",)))
    instruments = Instruments(protocol, "cpu", Cache(folder), silent, folder)
    few = max(2, count // 10)  # as many held-out ones and as many samples
    items = [StoredVolume(f"{i:06}", f"p{i:06}", Path(f"{i}.nii"), f"{i:064}") for i in range(count)]
    real = FakeSide(items[2 * few :], instruments, "real")
    return StoredEvidence(protocol, real, real.of(items[:few]), real.of(items[few : 2 * few]), instruments)


def _cost(metric: Any, evidence: StoredEvidence) -> tuple[float, float]:
    """Return CPU seconds and MiB (at the peak, of what Python and NumPy hold) of value, interval, floor and gap."""
    tracemalloc.start()
    clock = time.process_time()
    planned = with_all_comparisons(metric.info, evidence)
    found = metric.measure(planned)
    assert floor_of(metric, found, planned).value is not None
    against(metric, found, planned)
    seconds = time.process_time() - clock
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return seconds, peak


def _exponent(costs: Mapping[int, float]) -> float:
    """Return the power of N between the two largest counts."""
    (few, before), (many, after) = sorted(costs.items())[-2:]
    return float(np.log(after / before) / np.log(many / few))


def _row(name: str, costs: Mapping[int, tuple[float, float]]) -> str:
    cells = [f"{costs[n][0]:.2f} s, {costs[n][1]:.0f} MiB" if n in costs else "too few" for n in COUNTS]
    powers = [_exponent({n: cost[which] for n, cost in costs.items()}) for which in (0, 1)]
    return f"| {name} | {' | '.join(cells)} | {powers[0]:.2f}, {powers[1]:.2f} |"


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", METRICS)
def test_growth_with_the_number_of_subjects(name: str, tmp_path: Path) -> None:
    metric = registry.load("metrics", name)()
    _cost(metric, _evidence(tmp_path, 100))  # what is imported is imported
    counts = [n for n in COUNTS if max(2, n // 10) >= metric.info.min_synthetic]
    print(f"\n{_row(name, {n: _cost(metric, _evidence(tmp_path, n)) for n in counts})}")


@pytest.mark.benchmark
def test_growth_of_memorizations_search() -> None:
    """The similarities of a tenth as many samples with all training volumes; encoder and voxels are linear in N."""
    costs = {}
    for n in COUNTS[1:]:
        rng = np.random.default_rng(0)
        training, samples = rng.normal(size=(n, 32)), rng.normal(size=(n // 10, 32))
        patients = [f"p{index}" for index in range(n)]
        tracemalloc.start()
        clock = time.process_time()
        for _, strip in strips(samples, training):
            assert len(strip) <= STRIP
            candidates(strip, patients, most=5)
        costs[n] = time.process_time() - clock, tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    print(f"\n{_row('memorization (search)', costs)}")
