"""What value, interval, floor and gap of a metric cost: the column "now" of docs/scale.md, and the numbers themselves.

Features are drawn from the volumes' numbers and read back from a cache, as in an evaluation, of one plane. Nothing is
decided here:

    OMP_NUM_THREADS=1 pytest -m benchmark -s tests/benchmarks/test_floors.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench import registry
from medbench.evaluation.cache import Cache
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.floors import FloorFound, against, floor_of
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.evaluation.splits import with_all_comparisons
from medbench.metrics.base import Measurement
from medbench.progress import silent
from medbench.records.results import Against
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol, SliceProtocol

SMALL, WIDE, LARGE = (200, 22, 22), (264, 88, 88), (800, 88, 88)
# Metric, volumes (training, held-out, samples), slices a volume, numbers a slice.
CASES = (
    ("fid25d", LARGE, 8, 128),
    ("kid25d", LARGE, 8, 128),
    ("prdc25d", LARGE, 8, 128),
    ("fid3d", LARGE, 1, 128),
    ("mmd3d", LARGE, 1, 128),
    ("fid3d", LARGE, 1, 2048),
    ("mmd3d", LARGE, 1, 2048),
    ("kid25d", SMALL, 32, 512),
    ("prdc25d", SMALL, 32, 512),
    ("fid25d", SMALL, 100, 512),
    ("fid25d", LARGE, 32, 512),
    ("fid25d", WIDE, 100, 2048),
    ("kid25d", WIDE, 32, 2048),
    ("prdc25d", WIDE, 32, 2048),
)


@dataclass(frozen=True)
class FakeSide(StoredSide):
    """A side whose features are drawn once from the volumes' numbers."""

    slices: int = 1
    dimension: int = 1

    def slice_features(self, plane: str) -> Iterator[np.ndarray]:
        return self._read()

    def volume_features(self) -> Iterator[np.ndarray]:
        return (rows[0] for rows in self._read())

    def _read(self) -> Iterator[np.ndarray]:
        for item in self.items:
            settings = {"shape": [self.slices, self.dimension]}
            drawn = partial(self._drawn, int(item.id))
            yield self.instruments.cache.arrays("fake", item.sha256, settings, drawn)["rows"]

    def _drawn(self, volume: int) -> dict[str, np.ndarray]:
        """Return slices that resemble each other, with variances that fall as a network's do."""
        rng = np.random.default_rng(volume)
        scale = np.arange(1, self.dimension + 1) ** -0.6
        rows = scale * (rng.normal(size=self.dimension) + 0.7 * rng.normal(size=(self.slices, self.dimension)))
        return {"rows": rows.astype(np.float32)}


def _evidence(folder: Path, counts: tuple[int, int, int], slices: int, dimension: int) -> StoredEvidence:
    protocol = Protocol(name="floors", summary="floors", slices=SliceProtocol(planes=("xy",)))
    instruments = Instruments(protocol, "cpu", Cache(folder), silent, folder)
    items = [
        StoredVolume(f"{i:06}", f"p{i:06}", Path(f"{i}.nii"), sha256(b"%d" % i).hexdigest()) for i in range(sum(counts))
    ]
    cuts = np.cumsum(counts)
    sides = [
        FakeSide(items[start:end], instruments, "fake", slices, dimension)
        for start, end in ((0, cuts[0]), (cuts[1], cuts[2]), (cuts[0], cuts[1]))
    ]
    for side in sides:
        for _ in side._read():
            pass  # all lies in the cache
    return StoredEvidence(protocol, *sides, instruments)


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("name", "counts", "slices", "dimension"), CASES, ids=["-".join(map(str, (n, *c, s, d))) for n, c, s, d in CASES]
)
def test_value_interval_floor_and_gap(
    name: str, counts: tuple[int, int, int], slices: int, dimension: int, tmp_path: Path
) -> None:
    metric = registry.load("metrics", name)()
    _measured(metric, _evidence(tmp_path / "few", (24, 8, 8), 2, 8))  # what is imported is imported
    evidence = _evidence(tmp_path / "all", counts, slices, dimension)
    clock = time.process_time()
    found, floor, gap = _measured(metric, evidence)
    seconds = time.process_time() - clock
    print(f"\n{name}, {counts} volumes, {slices} x {dimension}: {seconds:.2f} CPU s")
    print(f"  value {found.value:.14g}, interval {found.ci95}, floor {floor.value:.14g}, gap {gap.gap:.14g}")


def _measured(metric: Any, evidence: StoredEvidence) -> tuple[Measurement, FloorFound, Against]:
    planned = with_all_comparisons(metric.info, evidence)
    found = metric.measure(planned)
    gap = against(metric, found, planned)
    assert gap is not None
    return found, floor_of(metric, found, planned), gap
