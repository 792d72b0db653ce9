"""Time and memory of the distances of slice features. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks/test_frechet.py
"""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import sqrtm

from medbench.metrics.evidence import Evidence
from medbench.metrics.fid25d.metric import Fid25d
from medbench.metrics.functional.frechet import FeatureStatistics, frechet_distance
from medbench.metrics.kid25d import Kid25d
from medbench.metrics.prdc25d import Prdc25d
from medbench.progress import silent
from medbench.spec import Protocol

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
PLANES = ("xy", "yz", "zx")


def _features(rng: np.random.Generator, slices: int, *, dimension: int = 2048) -> np.ndarray:
    """Slices of one volume that resemble each other, with variances that fall as a network's do."""
    scale = np.arange(1, dimension + 1) ** -0.6
    rows = scale * (rng.normal(size=dimension) + 0.7 * rng.normal(size=(slices, dimension)))
    return rows.astype(np.float32)


def _usual_route(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the distance as pytorch-fid and MONAI compute it: covariances, and the root of their product."""
    x, y = real.astype(np.float64), synthetic.astype(np.float64)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the product is singular: that is what this route does not like
        root = sqrtm(s @ t)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s) + np.trace(t) - 2 * np.trace(root).real)


def _exact(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the distance from a nuclear norm of the features themselves, in double precision."""
    x, y = real.astype(np.float64), synthetic.astype(np.float64)
    a, b = (x - x.mean(0)) / np.sqrt(len(x) - 1), (y - y.mean(0)) / np.sqrt(len(y) - 1)
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + np.square(a).sum() + np.square(b).sum() - 2 * np.linalg.norm(a @ b.T, "nuc"))


def _timed(function: Callable[[], float], *, times: int) -> tuple[float, float]:
    """Return the value and the median wall time (s)."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        value = function()
        seconds.append(time.perf_counter() - started)
    return value, float(np.median(seconds))


def test_500_slices_a_side_against_the_usual_matrix_root() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = _features(rng, 500), _features(rng, 500) + np.float32(0.02)

    def ours() -> float:
        return frechet_distance(FeatureStatistics.of(real), FeatureStatistics.of(synthetic))

    ours()  # LAPACK is loaded
    value, quick = _timed(ours, times=7)
    usual, slow = _timed(lambda: _usual_route(real, synthetic), times=1)
    exact = _exact(real, synthetic)
    print(f"\n500 x 2048 a side: {quick:.3f} s, usual route {slow:.1f} s, {slow / quick:.0f} times (goal: 100)")
    print(f"relative error: {abs(value / exact - 1):.1e} (goal: 1e-6), of the usual route {abs(usual / exact - 1):.1e}")


class _Seeded:
    """A side whose features are made on demand, the same ones whenever they are asked for."""

    def __init__(self, name: str, count: int, *, slices: int) -> None:
        self.ids = [f"{name}{index:03}" for index in range(count)]
        self.subjects = self.ids
        self._slices = slices
        self._seed = 0 if name == "real" else 1

    def slice_features(self, plane: str):
        for index in range(len(self.ids)):
            rng = np.random.default_rng([self._seed, index, PLANES.index(plane)])
            yield _features(rng, self._slices) * np.float32(1.0 + 0.1 * self._seed)


class _Workspace:
    progress = silent


@pytest.mark.parametrize("metric", [Fid25d, Kid25d, Prdc25d])
def test_value_and_interval_of_88_against_88_volumes(metric: type) -> None:
    """100 slices a volume and plane, 2048 features: the value and its interval over subjects."""
    sides = [_Seeded(name, 88, slices=100) for name in ("real", "synthetic")]
    started = time.perf_counter()
    for side in sides:
        for plane in PLANES:
            for _ in side.slice_features(plane):
                pass
    making = time.perf_counter() - started
    evidence = Evidence(Protocol(name="benchmark", summary="benchmark"), *sides, None, _Workspace())
    started = time.perf_counter()
    found = metric().measure(evidence)
    seconds = time.perf_counter() - started
    print(
        f"\n{metric.info.name}: {seconds - making:.0f} s without the {making:.0f} s that making the features takes "
        f"(goal for fid25d: 120 s); {found.value:.4g} {found.ci95}"
    )


def test_memory_does_not_grow_with_the_number_of_volumes() -> None:
    """512 features, so that many volumes take seconds: the peak stays with the groups, not with the volumes."""
    for count in (20, 40, 80):
        rng = np.random.default_rng(0)
        tracemalloc.start()
        statistics = FeatureStatistics.of(_features(rng, 100, dimension=512))
        for _ in range(count - 1):
            statistics = statistics.merge(FeatureStatistics.of(_features(rng, 100, dimension=512)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"\n{count} volumes: peak {peak / 2**20:.0f} MiB, kept {statistics.spread.nbytes / 2**20:.0f} MiB")
