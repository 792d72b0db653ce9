from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from medbench.statistics.crossed import mean_spread
from medbench.statistics.proportions import Share, share_of


@pytest.mark.parametrize(("yes", "trials"), [(0, 10), (8, 10), (10, 10), (37, 100), (1781, 3000)])
def test_whole_trials_have_clopper_and_pearson_s_interval(yes: int, trials: int) -> None:
    found = Share(yes / trials, trials).interval()
    assert found == pytest.approx(proportion_confint(yes, trials, method="beta"), abs=1e-12)


def test_the_paper_s_eight_of_ten() -> None:
    """Eight of ten cases called indistinguishable: Clopper-Pearson .44 to .97."""
    low, high = Share(0.8, 10).interval()
    assert (round(low, 2), round(high, 2)) == (0.44, 0.97)


@pytest.mark.parametrize(("yes", "trials"), [(0, 10), (8, 10), (14, 20), (120, 200)])
def test_tails_are_those_of_the_binomial_distribution(yes: int, trials: int) -> None:
    share = Share(yes / trials, trials)
    assert share.at_least(0.5) == pytest.approx(binomtest(yes, trials, 0.5, "greater").pvalue)
    assert share.at_most(0.5) == pytest.approx(binomtest(yes, trials, 0.5, "less").pvalue)
    assert share.p_value(0.5) == pytest.approx(binomtest(yes, trials, 0.5).pvalue)  # symmetric at one half


def test_park_s_readers_beat_chance() -> None:
    """1781 of 3000 body CTs told correctly (Park et al. 2021): 59.4 %."""
    assert Share(1781 / 3000, 3000).p_value(0.5) < 1e-15


def test_not_different_is_not_the_same() -> None:
    few, many = Share(0.5, 20), Share(0.5, 300)
    assert few.p_value(0.5) == 1.0
    assert few.equivalence_p(0.5, margin=0.1) > 0.05
    assert many.equivalence_p(0.5, margin=0.1) < 0.05


def test_trials_for_equivalence_as_tabulated() -> None:
    """Within 0.5 ± 0.10 at 5 %: about 215 trials have a power of 80 % where the truth is 0.5."""
    from scipy.stats import binom

    counts = np.arange(216)
    power = sum(binom.pmf(k, 215, 0.5) for k in counts if Share(k / 215, 215).equivalence_p(0.5, margin=0.1) < 0.05)
    assert power == pytest.approx(0.8, abs=0.04)


def test_one_reader_s_independent_trials_count_in_full() -> None:
    values = np.array([1.0] * 13 + [0.0] * 7)
    spread = mean_spread(values, readers=["ada"] * 20, cases=list(map(str, range(20))))
    assert share_of(0.65, 20, spread, cases=20).trials == pytest.approx(20)


def test_readers_who_agree_on_every_case_add_nothing() -> None:
    values = np.tile(np.array([1.0] * 13 + [0.0] * 7), 4)
    readers = np.repeat(list("abcd"), 20).tolist()
    spread = mean_spread(values, readers=readers, cases=np.tile(np.arange(20), 4).tolist())
    assert share_of(0.65, 80, spread, cases=20).trials < 22


def test_a_share_of_one_is_worth_no_more_than_its_cases() -> None:
    values = np.ones(80)
    spread = mean_spread(values, readers=np.repeat(list("abcd"), 20).tolist(), cases=np.tile(np.arange(20), 4).tolist())
    assert share_of(1.0, 80, spread, cases=20) == Share(1.0, 20.0)
