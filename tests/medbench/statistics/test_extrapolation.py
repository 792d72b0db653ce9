"""A floor that is carried on to more volumes, and what verdicts come of it. See docs/statistics.md.

pytest -m slow -s tests/medbench/statistics/test_extrapolation.py

prints the figures of that page.
"""

# ruff: noqa: T201  (the figures are what the slow test is for)

from __future__ import annotations

import numpy as np
import pytest

from medbench.metrics.functional.frechet import frechet_between
from medbench.metrics.functional.regions import mean_wasserstein
from medbench.statistics.extrapolation import carried_on
from medbench.statistics.resampling import jackknifed

DRAWS = 200
SPECTRUM = np.arange(1, 25) ** -0.5


@pytest.mark.parametrize("count", [20, 30, 1000])
def test_what_falls_as_1_over_n_is_met_exactly(count: int) -> None:
    near, far = 0.3 + 7 / 20, 0.3 + 7 / 8
    found = carried_on(near, far, near_count=20, far_count=8, count=count)
    assert found == pytest.approx(0.3 + 7 / count)


def test_what_does_not_change_with_the_count_stays() -> None:
    assert carried_on(0.5, 0.5, near_count=20, far_count=10, count=40) == 0.5


def slices(rng: np.random.Generator, count: int) -> np.ndarray:
    return SPECTRUM * (rng.normal(size=(count, 1, 24)) + 0.7 * rng.normal(size=(count, 8, 24)))


def frechet(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    return frechet_between(real=real.reshape(-1, 24), synthetic=synthetic.reshape(-1, 24))


def ratios(rng: np.random.Generator, count: int) -> np.ndarray:
    return 0.02 * np.exp(0.15 * rng.normal(size=(count, 1)) + 0.2 * rng.normal(size=(count, 8)))


def mean_of_splits(rng, distance, pool, counts):
    found = []
    for _ in range(10):
        order = rng.permutation(len(pool))
        one, other = pool[order[counts[1] : sum(counts)]], pool[order[: counts[1]]]
        found.append(distance(real=one, synthetic=other))
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "population", "distance"), [("fid", slices, frechet), ("rvr", ratios, mean_wasserstein)]
)
@pytest.mark.parametrize(("pool_of", "wanted"), [(24, (24, 24)), (64, (64, 64)), (80, (64, 64)), (80, (64, 32))])
def test_a_carried_floor_lies_near_the_floor_of_the_values_counts(name, population, distance, pool_of, wanted) -> None:
    """Both sides are one population, so that every verdict of a difference is false."""
    rng = np.random.default_rng([pool_of, *wanted])
    shrink = pool_of / sum(wanted)
    near = wanted[0] * pool_of // sum(wanted), round(wanted[1] * shrink)
    far = near[0] // 2, near[1] // 2
    found, false_claims = [], 0
    for _ in range(DRAWS):
        pool, synthetic = population(rng, pool_of), population(rng, wanted[1])
        real = pool[: wanted[0]]
        small, half = (mean_of_splits(rng, distance, pool, counts) for counts in (near, far))
        carried = carried_on(small, half, near_count=sum(near), far_count=sum(far), count=sum(wanted))
        value = distance(real=real, synthetic=synthetic)
        names = [[f"s{index:03}" for index in range(len(side))] for side in (real, synthetic)]
        interval = jackknifed(
            value,
            lambda r, s, real=real, synthetic=synthetic: distance(real=real[r], synthetic=synthetic[s]),
            real=names[0],
            synthetic=names[1],
            non_negative=True,
        )
        false_claims += interval.ends[0] > carried
        found.append((value, small, carried))
    true, small, carried = np.mean(found, axis=0)
    print(
        f"\n{name}, {pool_of} real, value at {wanted}: {true:.3f}, floor at {near} {small:.3f}, carried {carried:.3f} "
        f"({100 * (carried / true - 1):+.0f} %), false claims {100 * false_claims / DRAWS:.1f} %"
    )
    assert 0.9 <= carried / true <= 1.3
    assert abs(carried - true) < abs(small - true)
    assert false_claims / DRAWS <= 0.05
