import numpy as np
import pytest
from scipy import stats

from medbench.statistics.order_statistics import FEWEST, median_figures, median_interval


# Ranks k of the interval [x(k), x(n + 1 - k)]: the two-sided sign test's critical values at 5 % plus one
# (Dixon, Mood 1946, JASA 41:557, table of critical values 0, 1, 2, 5, 9 for n = 6, 10, 12, 20, 30).
@pytest.mark.parametrize(("count", "rank"), [(6, 1), (10, 2), (12, 3), (20, 6), (30, 10)])
def test_ranks_are_those_of_the_sign_test(count, rank):
    values = np.random.default_rng(count).permutation(np.arange(1.0, count + 1))
    assert median_interval(values) == (rank, count + 1 - rank)


@pytest.mark.parametrize("count", [6, 16, 37])
def test_it_is_the_quantile_interval_of_scipy(count):
    values = np.random.default_rng(count).normal(size=count)
    ends = stats.quantile_test(values, q=0, p=0.5, alternative="two-sided").confidence_interval(0.95)
    assert median_interval(values) == (ends.low, ends.high)


def test_fewer_than_six_values_have_none():
    assert median_interval(np.arange(float(FEWEST - 1))) is None
    assert median_interval(np.arange(float(FEWEST))) is not None


def test_another_level_has_other_ranks():
    assert median_interval(np.arange(1.0, 6), level=0.9) == (1, 5)


def test_figures_match_numpy():
    values = np.random.default_rng(0).normal(size=21)
    found = median_figures(values, "q1", "q3", "mean")
    assert (found["q1"], found["median"], found["q3"]) == tuple(np.percentile(values, [25, 50, 75]))
    assert (found["iqr"], found["mean"], found["n"]) == (found["q3"] - found["q1"], values.mean(), 21)
    assert (found["ci_low"], found["ci_high"]) == median_interval(values)
    assert list(median_figures(values[:5])) == ["median", "iqr", "n"]


@pytest.mark.parametrize("draw", [lambda rng, n: rng.beta(40, 1, n), lambda rng, n: rng.standard_cauchy(n)])
def test_it_covers_the_median_whatever_the_distribution(draw):
    rng = np.random.default_rng(0)
    median = np.median(draw(rng, 400_000))
    drawn = (median_interval(draw(rng, 16)) for _ in range(2000))
    assert np.mean([low <= median <= high for low, high in drawn]) > 0.94
