"""The share of copies and its interval; whether 10 % copies are found, and none where there are none.

pytest -m slow -s tests/medbench/metrics/memorization/test_share.py

prints the figures of docs/metrics/memorization.md.
"""

# ruff: noqa: T201  (the figures are what the slow test is for)

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medbench.metrics.memorization.nearest import candidates, nearness_of, strips
from medbench.metrics.memorization.share import Ranks, smallest_by_subject


def test_without_copies_the_count_is_beta_binomial() -> None:
    """The precedence test: of 32 volumes in random order, how many of 16 stand before the first of the other 16?"""
    ranks = Ranks(held_out=16, samples=16)
    assert ranks.rank == 1
    by_hand = [np.prod([(16 - i) / (32 - i) for i in range(count)]) for count in range(17)]
    assert ranks.fewest_shown == next(count for count in range(17) if by_hand[count] <= 0.025) == 5
    assert [ranks.interval(count)[0] > 0 for count in (4, 5)] == [False, True]


def test_few_held_out_volumes_show_only_many_copies_or_none() -> None:
    assert Ranks(held_out=8, samples=16).fewest_shown == 8
    assert Ranks(held_out=8, samples=1).fewest_shown is None
    assert Ranks(held_out=8, samples=1).interval(1)[0] == 0


def test_the_interval_holds_the_share_and_grows_with_the_count() -> None:
    ranks = Ranks(held_out=88, samples=60)
    found = [(ranks.interval(near), ranks.share(near)) for near in (0, 1, 5, 20, 60)]
    assert all(low <= share <= high for (low, high), share in found)
    assert [low for (low, _), _ in found] == sorted(low for (low, _), _ in found)
    assert (found[0][0][0], found[0][1], found[-1][0][1], found[-1][1]) == (0, 0, 1, 1)


def test_many_held_out_volumes_leave_the_interval_of_a_plain_share() -> None:
    low, high = Ranks(held_out=10**6, samples=40).interval(20)
    below = 0.02
    exact = stats.binomtest(20, 40).proportion_ci(0.95)
    assert (low, high) == pytest.approx([(end - below) / (1 - below) for end in exact], abs=2e-3)


def test_a_patient_counts_by_the_nearest_volume() -> None:
    assert smallest_by_subject(np.array([0.5, 0.2, 0.9]), ["b", "b", "a"]).tolist() == [0.9, 0.2]


class Thoraxes:
    """Volumes of 300 voxels with one mean and falling variances, as images have; an encoder sees some of the depth."""

    def __init__(self, rng: np.random.Generator, *, depth: int, noise: float) -> None:
        self.rng, self.depth, self.noise = rng, depth, noise
        self.modes = np.linalg.qr(rng.normal(size=(300, 100)))[0].T * (4.0 * np.arange(1, 101) ** -0.5)[:, None]
        self.mean = 3.0 * rng.normal(size=300) / np.sqrt(300) * 10
        self.encoder = rng.normal(size=(depth, 32))

    def strangers(self, count: int) -> np.ndarray:
        return self.rng.normal(size=(count, 100))

    def seen(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings (n, 32) and voxels (n, 300), each with noise of its own."""
        first = latents[:, : self.depth] @ self.encoder
        embeddings = first + self.noise * np.sqrt(self.depth) * self.rng.normal(size=first.shape)
        voxels = self.mean + latents @ self.modes
        return embeddings, voxels + 0.1 * self.rng.normal(size=voxels.shape)


def ratios(judged: tuple[np.ndarray, np.ndarray], training: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    to_training = np.concatenate([strip for _, strip in strips(judged[0], training[0])])
    chosen = candidates(to_training, [f"{index:04}" for index in range(len(training[0]))], most=5)
    ncc = np.concatenate([strip for _, strip in strips(judged[1], training[1])])
    return nearness_of(chosen, *(np.take_along_axis(one, chosen, axis=1) for one in (to_training, ncc))).ratio


def found_copying(
    *, counts: tuple[int, int, int], copies: float, depth: int, noise: float, draws: int, away: float = 0.4
) -> float:
    """Return how often the interval lies above 0; a copy moves away from its training volume by ``away`` SD."""
    rng = np.random.default_rng([*counts, depth])
    seen = 0
    for _ in range(draws):
        world = Thoraxes(rng, depth=depth, noise=noise)
        training, held_out, samples = (world.strangers(count) for count in counts)
        copied = round(copies * counts[2])
        samples[:copied] = training[rng.permutation(counts[0])[:copied]] + away * rng.normal(size=(copied, 100))
        at_training = world.seen(training)
        of_samples, of_strangers = (ratios(world.seen(one), at_training) for one in (samples, held_out))
        ranks = Ranks(counts[1], counts[2])
        near = int((of_samples < np.sort(of_strangers)[ranks.rank - 1]).sum())
        seen += near >= ranks.fewest_shown
    return seen / draws


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("counts", "copies", "least"),
    [
        ((800, 88, 88), 0.10, 0.80),
        ((800, 88, 88), 0.25, 0.95),
        ((800, 44, 64), 0.25, 0.80),
        ((400, 8, 64), 1.00, 0.80),
        ((64, 16, 16), 0.50, 0.60),
        ((64, 8, 16), 1.00, 0.60),
        ((64, 8, 16), 0.10, 0.0),
    ],
)
def test_copies_are_found_and_none_where_there_are_none(counts, copies, least) -> None:
    for depth, noise in ((12, 0.3), (24, 0.3)):
        setting = {"counts": counts, "depth": depth, "noise": noise, "draws": 200}
        found, claimed = (found_copying(copies=share, **setting) for share in (copies, 0.0))
        print(
            f"\n{counts}, depth {depth}, noise {noise}: {100 * copies:.0f} % copies found in {100 * found:.0f} %, "
            f"claimed without copies in {100 * claimed:.1f} %"
        )
        assert found >= least
        assert claimed <= 0.05
