"""Intervals of means and of shares, Gaffke's and the t interval where failures are rare. See docs/statistics.md.

pytest -m slow -s tests/medbench/statistics/test_means.py

prints the figures of that page.
"""

# ruff: noqa: T201  (the figures are what the slow test is for)

from __future__ import annotations

import numpy as np
import pytest

from medbench.statistics.means import arcsine_interval, bounded_mean_interval, share_below, weighted_quantile
from medbench.statistics.resampling import Replicates, jackknife_interval, mean_interval


def names(count: int) -> list[str]:
    return [f"s{index:03}" for index in range(count)]


@pytest.mark.parametrize("count", [4, 16, 200])
def test_equal_values_leave_open_what_was_not_seen(count: int) -> None:
    """Then one weight alone is random: (1 - u)^(1 / n) of the mean is kept."""
    low, high = bounded_mean_interval(np.full(count, 0.8), names(count)).ends
    assert low == pytest.approx(0.8 * 0.025 ** (1 / count), abs=1e-7)
    assert high == pytest.approx(1 - 0.2 * 0.025 ** (1 / count), abs=1e-7)


def test_quantiles_are_those_of_random_weights() -> None:
    chance = np.random.default_rng(0)
    values = np.append(chance.beta(12, 2, 15), 0.0)
    drawn = chance.dirichlet(np.ones(16), 200_000) @ values
    for level in (0.025, 0.5, 0.975):
        assert weighted_quantile(values, level) == pytest.approx(np.quantile(drawn, level), abs=2e-3)
    assert share_below(values, 0.7) == pytest.approx((drawn <= 0.7).mean(), abs=5e-3)


def test_all_at_a_bound_reach_it() -> None:
    assert bounded_mean_interval(np.ones(8), names(8)).ends == (pytest.approx(0.025 ** (1 / 8)), 1.0)
    assert bounded_mean_interval(np.zeros(8), names(8)).ends == (0.0, pytest.approx(1 - 0.025 ** (1 / 8)))


def test_other_bounds_move_and_stretch_it() -> None:
    values = np.array([0.1, 0.4, 0.5, 0.9, 0.7])
    plain, wide = (
        bounded_mean_interval(one, names(5), low=low, high=1.0).ends
        for one, low in ((values, 0.0), (2 * values - 1, -1.0))
    )
    assert wide == pytest.approx([2 * end - 1 for end in plain], abs=1e-6)
    with pytest.raises(ValueError, match="outside"):
        bounded_mean_interval(values + 0.2, names(5))


def test_subjects_are_the_unit_and_few_have_none() -> None:
    doubled = bounded_mean_interval(np.repeat([0.1, 0.4, 0.5, 0.9], 2), [*"aabbccdd"])
    assert doubled == bounded_mean_interval(np.array([0.1, 0.4, 0.5, 0.9]), [*"abcd"])
    assert bounded_mean_interval(np.ones(3), [*"abc"]).ends is None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [8, 16, 64])
def test_rare_failures_are_in_the_interval(count: int) -> None:
    rng = np.random.default_rng(count)
    cases = {
        "no failures, Beta(12, 2)": lambda: rng.beta(12, 2, count),
        "5 % missed (0)": lambda: rng.beta(40, 2, count) * (rng.uniform(size=count) > 0.05),
        "5 % failed, Beta(2, 6)": lambda: np.where(
            rng.uniform(size=count) < 0.05, rng.beta(2, 6, count), rng.beta(12, 2, count)
        ),
    }
    means = (12 / 14, 0.95 * 40 / 42, 0.05 * 0.25 + 0.95 * 12 / 14)
    for (name, draw), mean in zip(cases.items(), means):
        held, widths = np.zeros(2), np.zeros(2)
        for _ in range(400):
            values = draw()
            for index, interval in enumerate((mean_interval, bounded_mean_interval)):
                low, high = interval(values, names(count)).ends
                held[index] += low <= mean <= high
                widths[index] += high - low
        t, gaffke = held / 4
        print(f"\n{name}, {count} subjects: t {t:.1f} %, Gaffke {gaffke:.1f} %; width {widths / 400}")
        assert gaffke >= 95.0


def test_interval_is_even_on_the_arcsine_scale_and_stays_within_0_and_1() -> None:
    near_one = Replicates(np.array([0.97, 0.99, 0.96, 0.99]), np.ones(4, dtype=int))
    found = arcsine_interval(0.98, real=near_one, synthetic=near_one)
    plain = jackknife_interval(0.98, real=near_one, synthetic=near_one, non_negative=True)
    assert 0 < found.ends[0] < 0.98 < found.ends[1] <= 1.0
    assert plain.ends[1] > 1.0
    middle = Replicates(np.array([0.5, 0.502, 0.498, 0.501]), np.ones(4, dtype=int))
    found = arcsine_interval(0.5, real=middle, synthetic=middle)
    plain = jackknife_interval(0.5, real=middle, synthetic=middle, non_negative=True)
    assert found.ends == pytest.approx(plain.ends, rel=1e-4)
