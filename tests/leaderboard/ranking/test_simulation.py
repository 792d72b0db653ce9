"""How often ranks tell right, by simulation. The figures are those of docs/leaderboard.md:

pytest -m slow -s tests/leaderboard/ranking/test_simulation.py

A pool of small phantoms is damaged in three ways, each at rising strengths. A run is a set of 16 drawn from the pool of
one rung and measured by the Fréchet distance of slice features against one reference of 48 phantoms, with its
replicates. Two runs of one rung differ only by their seed: they must tie. Two runs of neighbouring rungs must be told
apart where an audit of the whole pool tells the rungs apart: the value of the upper one lies farther above that of the
lower one than the worst of random splits of real volumes lies above their mean.
"""

# ruff: noqa: T201  (the figures are what this file is for)

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from medbench.audit import damage
from medbench.datasets.phantom.dataset import generate
from medbench.features.seeded import SeededResNet
from medbench.imaging.volume import Volume
from medbench.metrics.functional.frechet import frechet_between
from medbench.spec import Window
from medbench.statistics.ranks import compare_all, told_apart
from medbench.statistics.resampling import jackknifed
from medbench.statistics.significance import Estimate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SHAPE = (32, 32, 16)
REFERENCE, RUN, POOL = 48, 16, 64
PAIRS = 20
RUNGS = {
    "noise": (0.0, 10.0, 20.0, 40.0, 80.0, 160.0),
    "blur": (0.0, 1.5, 3.0, 6.0, 12.0),
    "hu_shift": (0.0, 10.0, 20.0, 40.0, 80.0),
}


def damaged(volume: Volume, kind: str, strength: float, seed: int) -> Volume:
    if strength == 0:
        return volume
    if kind == "noise":
        return damage.noise(volume, sd_hu=strength, seed=seed)
    if kind == "blur":
        return damage.blur(volume, sigma_mm=strength)
    return damage.hu_shift(volume, hu=strength)


@cache
def phantom(seed: int) -> Volume:
    return generate(seed, SHAPE)[0]


@cache
def features(kind: str, strength: float, seeds: range) -> np.ndarray:
    """(volumes, slices, 120) features of axial slices."""
    network, window = SeededResNet(device="cpu"), Window(low=-1000.0, high=1000.0)
    found = []
    for seed in seeds:
        voxels = damaged(phantom(seed), kind, strength, seed).voxels.astype(np.float32)
        slices = np.moveaxis((window.scale(voxels) + 1.0) / 2.0, 2, 0)
        found.append(network.features(np.ascontiguousarray(slices)))
    return np.stack(found)


def reference() -> np.ndarray:
    return features("real", 0.0, range(REFERENCE))


def measure(real: np.ndarray, synthetic: np.ndarray) -> Estimate:
    """Return the Fréchet distance of two (volumes, slices, features) with its replicates, as the metric makes them."""

    def distance(r: np.ndarray | slice, s: np.ndarray | slice) -> float:
        return frechet_between(
            real=real[r].reshape(-1, real.shape[2]), synthetic=synthetic[s].reshape(-1, real.shape[2])
        )

    names = [[f"{index:03}" for index in range(len(side))] for side in (real, synthetic)]
    value = distance(slice(None), slice(None))
    interval = jackknifed(value, distance, real=names[0], synthetic=names[1], non_negative=True)
    return Estimate(value, interval.replicates["real"], interval.replicates["synthetic"])


def drawn(kind: str, strength: float, chance: np.random.Generator, *, first: bool) -> Estimate:
    """Return a run of 16 from one half of a rung's pool: two runs share no phantom."""
    pool = features(kind, strength, range(1000, 1000 + POOL))
    half = pool[::2] if first else pool[1::2]
    return measure(reference(), half[chance.permutation(len(half))[:RUN]])


def order(a: Estimate, b: Estimate) -> int:
    """Return 1 where the first is better beyond chance, -1 where the second is, else 0."""
    (beats,) = told_apart([compare_all([a, b], better="lower")])
    return int(beats[0, 1]) - int(beats[1, 0])


@cache
def floor_spread() -> float:
    """Return how far the worst of ten random splits of real volumes lies above their mean."""
    pool = np.concatenate([reference(), features("real", 0.0, range(1000, 1000 + POOL))])
    chance = np.random.default_rng(0)
    values = []
    for _ in range(10):
        places = chance.permutation(len(pool))
        first, second = pool[places[:REFERENCE]], pool[places[REFERENCE : REFERENCE + RUN]]
        values.append(frechet_between(real=first.reshape(-1, 120), synthetic=second.reshape(-1, 120)))
    return max(values) - float(np.mean(values))


def audited(kind: str) -> dict[float, float]:
    """Return the value of each rung's whole pool."""
    real = reference().reshape(-1, 120)
    return {
        strength: frechet_between(
            real=real, synthetic=features(kind, strength, range(1000, 1000 + POOL)).reshape(-1, 120)
        )
        for strength in RUNGS[kind]
    }


def test_runs_that_differ_only_by_their_seed_tie() -> None:
    chance = np.random.default_rng(1)
    ties = [
        order(drawn(kind, strength, chance, first=True), drawn(kind, strength, chance, first=False)) == 0
        for kind, strengths in RUNGS.items()
        for strength in strengths
        for _ in range(PAIRS)
    ]
    print(f"\nties of runs that differ only by their seed: {100 * np.mean(ties):.1f} % of {len(ties)} pairs")
    assert np.mean(ties) >= 0.95


def test_neighbouring_rungs_that_an_audit_tells_apart_are_told_apart() -> None:
    chance = np.random.default_rng(2)
    right = []
    for kind, strengths in RUNGS.items():
        values = audited(kind)
        for lower, upper in itertools.pairwise(strengths):
            apart = values[upper] - values[lower] > floor_spread()
            orders = [
                order(drawn(kind, lower, chance, first=True), drawn(kind, upper, chance, first=False))
                for _ in range(PAIRS)
            ]
            told = f"{kind} {lower:g} / {upper:g}: {100 * np.mean(np.array(orders) == 1):.0f} % told apart"
            print(f"\n{told}, {'told' if apart else 'not told'} apart by the audit", end="")
            right += [one == 1 for one in orders] if apart else []
            assert -1 not in orders
    print(f"\nneighbouring rungs: {100 * np.mean(right):.1f} % of {len(right)} pairs")
    assert np.mean(right) >= 0.40  # 0.49 when docs/leaderboard.md was written; ties are the price of 16 samples a run
