from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from medbench.metrics.functional.frechet import frechet_between
from medbench.metrics.functional.regions import mean_wasserstein
from medbench.statistics.resampling import Replicates, delete_each_group
from medbench.statistics.significance import (
    MOST_EXACT_CASES,
    Estimate,
    jackknife_test,
    paired_test,
    unpaired_test,
)


def mean_estimate(*, real: np.ndarray, synthetic: np.ndarray) -> Estimate:
    """The difference of two means: its jackknife variance is known exactly."""

    def names(values: np.ndarray) -> list[str]:
        return [f"s{index:03}" for index in range(len(values))]

    return Estimate(
        float(synthetic.mean() - real.mean()),
        delete_each_group(lambda stay: float(synthetic.mean() - real[stay].mean()), names(real), most=len(real)),
        delete_each_group(
            lambda stay: float(synthetic[stay].mean() - real.mean()), names(synthetic), most=len(synthetic)
        ),
    )


def test_the_jackknife_of_means_is_welchs_test_since_the_shared_real_side_cancels() -> None:
    chance = np.random.default_rng(1)
    real, first, second = chance.normal(0, 3, 12), chance.normal(1, 1, 9), chance.normal(0, 2, 14)
    found = jackknife_test(mean_estimate(real=real, synthetic=first), mean_estimate(real=real, synthetic=second))
    expected = stats.ttest_ind(first, second, equal_var=False)
    # One more term of variance 0 (the real side) leaves the degrees of freedom as they are.
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.ci95 == pytest.approx(tuple(expected.confidence_interval()), rel=1e-9)
    assert found.test.startswith("delete-a-group jackknife")


def test_paired_agrees_with_scipy_below_and_above_the_exact_limit() -> None:
    chance = np.random.default_rng(2)
    for count in (8, MOST_EXACT_CASES, MOST_EXACT_CASES + 20):
        first, second = chance.normal(0.4, 1, count), chance.normal(0, 1, count)
        found = paired_test(first, second)
        exact = count <= MOST_EXACT_CASES
        expected = stats.permutation_test(
            (first, second),
            lambda a, b, axis: (a - b).mean(axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf if exact else 9999,
            rng=3,
        )
        # Beyond the limit both draw patterns: 3 standard errors of their difference are below 0.02.
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12 if exact else 0.02)
        interval = stats.ttest_rel(first, second).confidence_interval()
        assert found.ci95 == pytest.approx(tuple(interval))


def test_unpaired_is_welchs_test() -> None:
    chance = np.random.default_rng(4)
    first, second = chance.normal(0, 1, 7), chance.normal(1, 3, 11)
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = unpaired_test(first, second)
    assert (found.p_value, found.ci95) == (expected.pvalue, tuple(expected.confidence_interval()))


def test_exchanging_the_runs_turns_the_sign_and_nothing_else() -> None:
    chance = np.random.default_rng(5)
    real, first, second = chance.normal(size=8), chance.normal(1, 1, 20), chance.normal(0, 2, 20)
    estimates = mean_estimate(real=real, synthetic=first), mean_estimate(real=real, synthetic=second)
    for test, arguments in (
        (jackknife_test, estimates),
        (paired_test, (first, second)),
        (unpaired_test, (first, second)),
    ):
        there, back = test(*arguments), test(*arguments[::-1])
        assert there.difference > 0 > back.difference
        assert there.difference == pytest.approx(-back.difference)
        assert there.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))
        assert there.p_value == pytest.approx(back.p_value, rel=1e-9)


def test_equal_cases_show_no_difference() -> None:
    values = np.array([0.5, 0.6, 0.7, 0.9])
    found = paired_test(values, values)
    assert (found.difference, found.ci95, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_constants_that_differ_are_a_difference() -> None:
    found = unpaired_test(np.full(4, 0.9), np.full(5, 0.7))
    assert found.difference == pytest.approx(0.2) and found.ci95 == pytest.approx((0.2, 0.2))
    # One of the 126 ways to deal nine cases puts all high ones into the first run.
    assert found.p_value == pytest.approx(1 / 126)
    assert unpaired_test(np.ones(4), np.zeros(4)).p_value == pytest.approx(2 / 70)
    assert unpaired_test(np.ones(4), np.ones(6)).p_value == 1.0


def test_pairs_are_counted_once_where_the_floor_shows_them() -> None:
    chance = np.random.default_rng(8)
    real, first, second = (chance.normal(size=count) for count in (12, 9, 9))
    runs = [mean_estimate(real=real, synthetic=one) for one in (first, second)]
    plain = jackknife_test(*runs)
    assert plain == jackknife_test(*(replace(run, floor=(0.1,)) for run in runs))
    wide = jackknife_test(*(replace(run, floor=(-9.0, 9.0) * 10) for run in runs))
    # However much the splits vary, half of the variance stays.
    assert 0.1 < wide.p_value < plain.p_value
    assert (wide.difference / plain.difference, "counted once" in wide.test) == (1.0, True)
    # Far beyond the floor there is nothing to take off.
    far = [replace(run, value=run.value + 50.0, floor=(0.1, 0.2)) for run in runs]
    assert jackknife_test(*far).ci95 == pytest.approx(jackknife_test(*(replace(one, floor=()) for one in far)).ci95)


def test_samples_of_the_same_label_maps_are_paired() -> None:
    """Means over the same label maps, leaving out one after another: the paired t test."""
    chance = np.random.default_rng(4)
    real, maps = chance.normal(size=9), chance.normal(size=11)
    first, second = (maps + shift + chance.normal(0, 0.1, 11) for shift in (0.2, 0.0))
    runs = [mean_estimate(real=real, synthetic=one) for one in (first, second)]
    apart = jackknife_test(*runs)
    steered = [replace(run, synthetic=replace(run.synthetic, units="maps"), floor=(0.0, 2.0)) for run in runs]
    together = jackknife_test(*steered)
    expected = stats.ttest_rel(first, second)
    assert together.p_value == pytest.approx(expected.pvalue)
    assert together.ci95 == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert together.p_value < 0.01 < apart.p_value
    assert together.test.endswith("10 degrees of freedom, samples paired by label map)")
    other = replace(steered[1], synthetic=replace(steered[1].synthetic, units="others"), floor=())
    assert jackknife_test(replace(steered[0], floor=()), other) == apart


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (paired_test(np.arange(3.0), np.ones(3)), "3 shared cases"),
        (unpaired_test(np.arange(9.0), np.ones(2)), "2 cases in a run"),
        (jackknife_test(Estimate(1.0, None, None), Estimate(0.5, None, None)), "no replicates"),
    ],
)
def test_what_cannot_be_tested_says_why_and_invents_nothing(found, reason: str) -> None:
    assert found.ci95 is None
    assert found.p_value is None
    assert found.test.startswith("none: ")
    assert reason in found.test


def test_real_sides_grouped_in_different_ways_are_not_paired() -> None:
    chance = np.random.default_rng(6)
    first = mean_estimate(real=chance.normal(size=8), synthetic=chance.normal(size=6))
    second = mean_estimate(real=chance.normal(size=9), synthetic=chance.normal(size=6))
    assert "grouped in different ways" in jackknife_test(first, second).test
    still = Replicates(np.ones(6), np.ones(6, dtype=int))
    assert "do not vary" in jackknife_test(Estimate(1.0, None, still), Estimate(1.0, None, still)).test


Distance = Callable[..., float]


def estimate_of(distance: Distance, *, real: np.ndarray, synthetic: np.ndarray, floor: Sequence[float]) -> Estimate:
    def names(values: np.ndarray) -> list[str]:
        return [f"s{index:03}" for index in range(len(values))]

    return Estimate(
        distance(real=real, synthetic=synthetic),
        delete_each_group(lambda stay: distance(real=real[stay], synthetic=synthetic), names(real)),
        delete_each_group(lambda stay: distance(real=real, synthetic=synthetic[stay]), names(synthetic)),
        floor,
    )


def rejections(
    *, shift: float, worse_by: float, draws: int, distance: Distance = mean_wasserstein, floors: bool = True
) -> float:
    """Two generators that both miss the real mean of 4 regions, one of them by more: how often is that seen?"""
    chance = np.random.default_rng(7)
    seen = 0
    for _ in range(draws):
        real, held_out, first, second = (chance.normal(size=(count, 4)) for count in (64, 24, 24, 24))
        pool, floor = np.vstack([real, held_out]), []
        for _ in range(10 if floors else 0):
            order = chance.permutation(len(pool))
            floor.append(distance(real=pool[order[24:]], synthetic=pool[order[:24]]))
        found = jackknife_test(
            estimate_of(distance, real=real, synthetic=first + shift, floor=floor),
            estimate_of(distance, real=real, synthetic=second + shift + worse_by, floor=floor),
        )
        seen += found.p_value < 0.05
    return seen / draws


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("distance", [mean_wasserstein, frechet_between])
def test_the_jackknife_errs_in_5_percent_of_comparisons_and_sees_what_is_there(distance: Distance) -> None:
    """The figures of docs/compare.md: pytest -m slow -s."""
    print(f"\n{distance.__name__}: shift of both, further shift of one, rejected with and without floors")  # noqa: T201
    for shift, worse_by, draws in ((0.0, 0.0, 1000), (0.25, 0.0, 1000), (0.8, 0.0, 1000), (0.0, 0.45, 400)):
        found = [
            rejections(shift=shift, worse_by=worse_by, draws=draws, distance=distance, floors=floors)
            for floors in (True, False)
        ]
        print(f"  {shift:.2f} {worse_by:.2f} {100 * found[0]:.1f} % {100 * found[1]:.1f} %")  # noqa: T201
        if worse_by == 0.0:
            assert found[0] <= 0.07
        else:
            assert found[0] > found[1]
    assert rejections(shift=0.8, worse_by=0.6, draws=200, distance=distance) >= 0.8
