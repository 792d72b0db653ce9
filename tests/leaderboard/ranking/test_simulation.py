"""How often ranks tell right, by simulation. The figures are those of docs/leaderboard.md:

pytest -m slow -s tests/leaderboard/ranking/test_simulation.py

A pool of small phantoms is damaged in three ways, each at the rising strengths of the audit. A run is a set of volumes
of one rung, measured by the Fréchet distance of slice features against one reference of 48 phantoms, with replicates
and floor. A sample is an anatomy (its label map) and what differs from seed to seed: the level and the noise of a
scanner. Two runs share their samples, or only their label maps, or neither.

Two runs of one rung must tie. Two runs of neighbouring rungs must be told apart where an audit of that size tells the
rungs apart: the volumes behind the second run, damaged at both strengths, differ by more than the audit's limit.
"""

# ruff: noqa: T201  (the figures are what this file is for)

from __future__ import annotations

import itertools
from functools import cache
from typing import Literal

import numpy as np
import pytest
from scipy.stats import norm

from medbench.audit import damage
from medbench.audit.detection import limits_of
from medbench.datasets.phantom.dataset import generate
from medbench.features.seeded import SeededResNet
from medbench.imaging.volume import Volume
from medbench.metrics.functional.frechet import (
    FeatureStatistics,
    frechet_distance,
    merged,
    quick_distance,
    without_each,
)
from medbench.spec import Window
from medbench.statistics.ranks import compare_all, told_apart
from medbench.statistics.resampling import MOST_GROUPS, Replicates
from medbench.statistics.significance import Estimate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

Shared = Literal["samples", "label maps", "nothing"]
SHAPE = (32, 32, 16)
REFERENCE, POOL = 48, 256
DRAWS = {16: 24, 64: 12}
SPLITS = 10
LEVEL_HU, NOISE_HU = 5.0, 10.0
RUNGS = {
    "noise": (0.0, 10.0, 20.0, 40.0, 80.0, 160.0),
    "blur": (0.0, 1.5, 3.0, 6.0, 12.0),
    "hu_shift": (0.0, 10.0, 20.0, 40.0, 80.0),
}
ALL_RUNGS = [(kind, strength) for kind, strengths in RUNGS.items() for strength in strengths]
NEIGHBOURS = [(kind, *pair) for kind, strengths in RUNGS.items() for pair in itertools.pairwise(strengths)]


@cache
def anatomy(label_map: int) -> Volume:
    return generate(label_map, SHAPE)[0]


def sample(label_map: int, seed: int) -> Volume:
    chance = np.random.default_rng([label_map, seed])
    whole = anatomy(label_map)
    voxels = whole.voxels + chance.normal(0, LEVEL_HU) + chance.normal(0, NOISE_HU, whole.shape)
    return Volume(voxels.astype(np.float32), whole.affine)


def damaged(volume: Volume, kind: str, strength: float, seed: int) -> Volume:
    if strength == 0:
        return volume
    if kind == "noise":
        return damage.noise(volume, sd_hu=strength, seed=seed)
    if kind == "blur":
        return damage.blur(volume, sigma_mm=strength)
    return damage.hu_shift(volume, hu=strength)


@cache
def features(kind: str, strength: float, label_maps: range, seed: int) -> list[FeatureStatistics]:
    """Statistics of the features (120) of the axial slices of each volume."""
    network, window = SeededResNet(device="cpu"), Window(low=-1000.0, high=1000.0)
    found = []
    for label_map in label_maps:
        own_seed = 1000 * label_map + seed
        voxels = damaged(sample(label_map, seed), kind, strength, own_seed).voxels.astype(np.float32)
        slices = np.moveaxis((window.scale(voxels) + 1.0) / 2.0, 2, 0)
        found.append(FeatureStatistics.of(network.features(np.ascontiguousarray(slices))))
    return found


def pool(kind: str, strength: float, seed: int) -> list[FeatureStatistics]:
    return features(kind, strength, range(1000, 1000 + POOL), seed)


def real(count: int) -> list[FeatureStatistics]:
    """Return so many real volumes: the reference comes first, then those held out."""
    return features("real", 0.0, range(REFERENCE + 64), 0)[:count]


@cache
def reference() -> FeatureStatistics:
    return merged(real(REFERENCE))


@cache
def without_real() -> list[FeatureStatistics]:
    return list(without_each(grouped(real(REFERENCE))))


def grouped(volumes: list[FeatureStatistics]) -> list[FeatureStatistics]:
    return [merged(volumes[group::MOST_GROUPS]) for group in range(min(MOST_GROUPS, len(volumes)))]


@cache
def floor(count: int) -> tuple[float, ...]:
    """The values between random splits of real volumes, at the counts of a run, as the evaluation makes them."""
    chance, volumes = np.random.default_rng(0), real(REFERENCE + count)
    orders = [chance.permutation(len(volumes)) for _ in range(SPLITS)]
    return tuple(
        frechet_distance(
            merged(volumes[place] for place in order[:REFERENCE]), merged(volumes[place] for place in order[REFERENCE:])
        )
        for order in orders
    )


@cache
def run(rung: tuple[str, float], label_maps: tuple[int, ...], seed: int) -> Estimate:
    """Return the Fréchet distance of a run with its replicates, as the metric makes them."""
    everyone = pool(*rung, seed)
    volumes = [everyone[place] for place in label_maps]
    whole, parts = merged(volumes), grouped(volumes)
    sizes = np.array([len(volumes[group::MOST_GROUPS]) for group in range(len(parts))])
    real_sizes = np.array([len(range(group, REFERENCE, MOST_GROUPS)) for group in range(MOST_GROUPS)])
    synthetic = np.array([quick_distance(one, reference()) for one in without_each(parts)])
    return Estimate(
        frechet_distance(reference(), whole),
        Replicates(np.array([quick_distance(one, whole) for one in without_real()]), real_sizes),
        Replicates(synthetic, sizes, units=str(label_maps)),
        floor(len(volumes)),
    )


@cache
def draws(count: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Two sets of label maps that share none, so many times."""
    chance = np.random.default_rng(1)
    orders = [chance.permutation(POOL).tolist() for _ in range(DRAWS[count])]
    return [(tuple(order[:count]), tuple(order[count : 2 * count])) for order in orders]


def two_runs(
    first: tuple[str, float], second: tuple[str, float], shared: Shared, own: tuple[int, ...], other: tuple[int, ...]
) -> tuple[Estimate, Estimate]:
    """Return a run of each rung; the second is of its own label maps."""
    return run(first, other if shared == "nothing" else own, 0 if shared == "samples" else 1), run(second, own, 0)


def order_of(a: Estimate, b: Estimate) -> int:
    """Return 1 where the first is better beyond chance, -1 where the second is, else 0."""
    (beats,) = told_apart([compare_all([a, b], better="lower")])
    return int(beats[0, 1]) - int(beats[1, 0])


def audit_tells(kind: str, lower: float, upper: float, label_maps: tuple[int, ...]) -> bool:
    """Whether an audit of these volumes tells two rungs apart: by its own limit, the lower rung as undamaged set."""
    values = [run((kind, strength), label_maps, 0).value for strength in (lower, upper)]
    limit = limits_of(values[0], floor(len(label_maps)), None, better="lower").worse
    assert limit is not None
    return values[1] > limit


def knowing_the_spread(kind: str, lower: float, upper: float, count: int) -> float:
    """Return how often two independent runs are told apart at 5 % by one who knows how the values of a rung spread."""
    values = np.array([[run((kind, one), own, 0).value for one in (lower, upper)] for own, _ in draws(count)])
    # Sets from one pool share members, and differ less than sets from the whole population.
    spread = np.sqrt(values.var(axis=0, ddof=1).sum() / (1 - count / POOL))
    return float(norm.sf(norm.isf(0.025) - np.diff(values.mean(axis=0))[0] / spread))


@pytest.mark.parametrize("count", DRAWS)
@pytest.mark.parametrize("shared", ["label maps", "nothing"])
def test_runs_that_differ_only_by_their_seed_tie(count: int, shared: Shared) -> None:
    ties = [order_of(*two_runs(rung, rung, shared, *sets)) == 0 for rung in ALL_RUNGS for sets in draws(count)]
    print(f"\n{count} samples, sharing {shared}: {100 * np.mean(ties):.1f} % of {len(ties)} pairs tie")
    assert np.mean(ties) >= 0.95


@pytest.mark.parametrize(
    ("count", "shared", "least"),
    [
        (16, "samples", 0.80),
        (16, "label maps", 0.80),
        (16, "nothing", 0.60),  # their spread allows no more: see docs/leaderboard.md
        (64, "samples", 0.80),
        (64, "label maps", 0.80),
        (64, "nothing", 0.60),
    ],
)
def test_neighbouring_rungs_that_an_audit_tells_apart_are_told_apart(count: int, shared: Shared, least: float) -> None:
    right: list[int] = []
    possible: list[float] = []
    print(f"\n{count} samples, sharing {shared}:")
    for kind, lower, upper in NEIGHBOURS:
        orders = [
            order_of(*two_runs((kind, lower), (kind, upper), shared, own, other))
            for own, other in draws(count)
            if audit_tells(kind, lower, upper, own)
        ]
        assert -1 not in orders
        if orders:
            print(f"  {kind} {lower:g} / {upper:g}: {100 * np.mean(orders):.0f} % of {len(orders)} that an audit tells")
        right += orders
        possible += [knowing_the_spread(kind, lower, upper, count)] * len(orders)
    print(f"  in all: {100 * np.mean(right):.1f} % of {len(right)} pairs")
    if shared == "nothing":
        print(f"  a test that knew the spread of the values: {100 * np.mean(possible):.1f} %")
    assert np.mean(right) >= least
