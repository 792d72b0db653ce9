import numpy as np
import pytest
from scipy import stats

from medbench.metrics.downstream.comparison import Difference, hodges_lehmann, paired_difference, verdict
from medbench.statistics.resampling import Interval


def test_paired_difference_matches_scipy():
    rng = np.random.default_rng(0)
    real = rng.uniform(0.8, 0.9, 12)
    synthetic = real - 0.02 + rng.normal(0, 0.01, 12)
    found = paired_difference(synthetic=synthetic, real=real, subjects=[f"{i:02}" for i in range(12)])
    # Twelve differences near 0: one case in four may differ by all of 1 and not be among them.
    low, high = found.interval.ends
    assert low == pytest.approx(-1 + (1 + found.mean) * 0.025 ** (1 / 12), abs=0.01) and high > 0.2
    assert found.p_value == pytest.approx(stats.wilcoxon(synthetic, real).pvalue)
    opposite = paired_difference(synthetic=real, real=synthetic, subjects=[f"{i:02}" for i in range(12)])
    assert opposite.mean == pytest.approx(-found.mean)
    assert opposite.hodges_lehmann == pytest.approx(-found.hodges_lehmann)


def test_hodges_lehmann_is_the_median_of_pairwise_means():
    assert hodges_lehmann(np.array([0.0, 1.0, 5.0])) == 1.75  # of 0, .5, 1, 2.5, 3, 5
    many = np.random.default_rng(0).normal(size=5001)
    assert hodges_lehmann(many) == pytest.approx(np.median(many), abs=0.05)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-0.04, 0.01), "non-inferior"),
        ((-0.05, 0.01), "not shown to be non-inferior"),
        ((-0.2, -0.06), "inferior by more than"),
        (None, "no verdict on a margin of 0.05 DSC: too few"),
    ],
)
def test_verdict_goes_by_the_interval(ends, said):
    found = Difference(-0.01, Interval(ends, "too few"), -0.01, 0.5)
    assert verdict(found, margin=0.05).startswith(said)
