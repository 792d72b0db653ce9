import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.stats import t as student
from scipy.stats import ttest_rel

from medbench.statistics.multiple_tests import holm
from medbench.statistics.ranks import compare_all, ranks_of, told_apart
from medbench.statistics.resampling import Replicates
from medbench.statistics.significance import Estimate, jackknife_test


def estimates(seed: int, count: int, *, groups: int = 7, spread: float = 1.0) -> list[Estimate]:
    chance = np.random.default_rng(seed)
    sizes = np.array([3] * (groups - 2) + [2, 2])
    common = chance.normal(0, 0.1, groups)
    return [
        Estimate(
            value,
            Replicates(value + common + chance.normal(0, 0.02, groups), sizes),
            Replicates(value + chance.normal(0, 0.05, groups), sizes),
        )
        for value in spread * chance.normal(5, 1, count)
    ]


def steered(runs: list[Estimate], units: tuple[str | None, ...]) -> list[Estimate]:
    return [
        Estimate(one.value, one.real, replace(one.synthetic, units=unit), one.floor) for one, unit in zip(runs, units)
    ]


@pytest.mark.parametrize("units", [(None,) * 6, ("x", "x", "y", "y", "x", None)])
@pytest.mark.parametrize("floor", [(), tuple(np.linspace(4.9, 5.1, 40))])
def test_all_pairs_at_once_are_the_test_of_two(units: tuple[str | None, ...], floor: tuple[float, ...]) -> None:
    runs = steered([replace(one, floor=floor) for one in estimates(0, 6)], units)
    pairs = compare_all(runs, better="lower")
    assert pairs.tests == 15
    kept = {(int(a), int(b)): place for place, (a, b) in enumerate(zip(pairs.better, pairs.worse))}
    for a, b in itertools.permutations(range(6), 2):
        alone = jackknife_test(runs[a], runs[b])
        if (a, b) not in kept:
            assert alone.difference > 0 or alone.p_value > 0.05
            continue
        assert alone.difference < 0
        low, high = alone.ci95
        t, freedom = pairs.t[kept[a, b]], pairs.freedom[kept[a, b]]
        told = int(re.search(r"(\d+) degrees", alone.test)[1])
        assert freedom in (told - 1, told)
        assert t / student.ppf(0.975, freedom) == pytest.approx(-alone.difference / ((high - low) / 2), rel=0.03)
        most, least = 2 * student.sf(t, [freedom, freedom + 1])  # what is rounded lies between
        assert least <= alone.p_value * (1 + 1e-9) and alone.p_value <= most * (1 + 1e-9)


def test_cases_that_all_share_are_paired() -> None:
    """Leaving out one case after another makes the paired t test of the differences."""
    chance = np.random.default_rng(1)
    cases = chance.normal(0, 1, 12) + np.array([[0.0], [0.9]]) + chance.normal(0, 0.3, (2, 12))
    runs = [
        Estimate(one.mean(), Replicates((one.sum() - one) / 11, np.ones(12)), None)  # a value a case
        for one in cases
    ]
    pairs = compare_all(runs, better="higher")
    assert pairs.t[0] == pytest.approx(abs(ttest_rel(*cases).statistic))
    assert pairs.freedom[0] == pytest.approx(11)


def test_without_replicates_or_with_other_groups_there_is_no_test() -> None:
    whole, other = estimates(0, 1)[0], estimates(0, 1, groups=9)[0]
    bare = Estimate(100.0, None, None)
    pairs = compare_all([whole, other, bare], better="lower")
    assert not pairs.t.size
    assert pairs.tests == 0
    assert not told_apart([pairs])[0].any()


@settings(deadline=None, max_examples=50)
@given(some.integers(0, 10_000), some.integers(2, 9), some.floats(0, 3))
def test_holm_by_its_fixed_point_is_holm_by_sorting(seed: int, count: int, spread: float) -> None:
    families = [compare_all(estimates(seed + step, count, spread=spread), better="higher") for step in range(2)]
    p_values = []
    for runs in (estimates(seed + step, count, spread=spread) for step in range(2)):
        pairs = compare_all(runs, better="higher")
        p = np.ones((count, count))
        p[pairs.better, pairs.worse] = p[pairs.worse, pairs.better] = 2 * student.sf(pairs.t, pairs.freedom)
        p_values.append(p[np.triu_indices(count, 1)])
    families = [compare_all(estimates(seed + step, count, spread=spread), better="higher") for step in range(2)]
    upper = np.triu_indices(count, 1)
    p = np.concatenate(p_values)
    adjusted = np.array(holm(p.tolist()), dtype=float)
    found = np.concatenate([(apart | apart.T)[upper] for apart in told_apart(families)])
    assert found.tolist() == (adjusted <= 0.05).tolist()


@settings(deadline=None, max_examples=50)
@given(some.integers(0, 10_000), some.integers(1, 9))
def test_ranks_keep_their_order(seed: int, count: int) -> None:
    runs = estimates(seed, count)
    (apart,) = told_apart([compare_all(runs, better="lower")])
    ranks = ranks_of(apart)
    best = np.argmin([run.value for run in runs])
    assert ranks.low[best] == 1
    assert (ranks.low <= ranks.high).all() and ranks.high.max() <= count
    order = np.array([run.value for run in runs])
    assert not (apart & (order[:, None] >= order[None, :])).any()


def test_nothing_is_told_apart_from_itself() -> None:
    run = estimates(0, 1)[0]
    (apart,) = told_apart([compare_all([run, run], better="lower")])
    assert not apart.any()
    assert compare_all([run], better="lower").tests == 0
    assert ranks_of(np.zeros((1, 1), bool)).middle.tolist() == [1.0]
