from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from medbench.statistics.crossed import crossed_spread, mean_spread


def table(
    readers: int, cases: int, seed: int, *, reader_sd: float, case_sd: float
) -> tuple[np.ndarray, list[str], list[str]]:
    chance = np.random.default_rng(seed)
    values = (
        chance.normal(0, 1, (readers, cases))
        + chance.normal(0, reader_sd, (readers, 1))
        + chance.normal(0, case_sd, (1, cases))
    )
    return values.ravel(), np.repeat(np.arange(readers), cases).tolist(), np.tile(np.arange(cases), readers).tolist()


@pytest.mark.parametrize(
    ("readers", "reader_sd", "case_sd"), [(5, 0.5, 0.5), (5, 0.0, 1.0), (8, 1.0, 0.0), (3, 0.5, 0.5)]
)
def test_intervals_hold_where_readers_and_cases_vary(readers: int, reader_sd: float, case_sd: float) -> None:
    """Of 400 simulated studies about 95 % of the intervals hold the true mean, 0."""
    inside = 0
    for seed in range(400):
        values, who, what = table(readers, 20, seed, reader_sd=reader_sd, case_sd=case_sd)
        low, high = mean_spread(values, readers=who, cases=what).interval(float(values.mean()))
        inside += low <= 0 <= high
    assert inside / 400 > 0.92


def test_one_reader_has_the_ordinary_variance_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=15)
    found = mean_spread(values, readers=["ada"] * 15, cases=list(map(str, range(15))))
    assert found.variance == pytest.approx(values.var(ddof=1) / 15)
    assert found.freedom == 14
    assert found.method == "cases vary, this reader alone"
    assert found.p_value(float(values.mean())) == pytest.approx(
        float(__import__("scipy.stats").stats.ttest_1samp(values, 0).pvalue)
    )


def test_two_readers_say_nothing_of_readers_in_general() -> None:
    values, who, what = table(2, 20, 0, reader_sd=3.0, case_sd=0.0)
    assert "these two readers alone" in mean_spread(values, readers=who, cases=what).method


def test_missing_ratings_are_no_hindrance() -> None:
    values, who, what = table(4, 20, 0, reader_sd=0.5, case_sd=0.5)
    keep = np.random.default_rng(1).random(80) > 0.2
    part = mean_spread(values[keep], readers=np.array(who)[keep].tolist(), cases=np.array(what)[keep].tolist())
    assert part.variance == pytest.approx(mean_spread(values, readers=who, cases=what).variance, rel=0.5)


def test_without_variance_only_the_truth_is_possible() -> None:
    found = crossed_spread(np.zeros(4), readers=list("aabb"), cases=list("wxwx"))
    assert (found.p_value(0.1), found.p_value(0.0)) == (0.0, 1.0)
    assert (found.equivalence_p(0.05, margin=0.1), found.equivalence_p(0.2, margin=0.1)) == (0.0, 1.0)


def test_equivalence_is_two_one_sided_tests() -> None:
    values = np.random.default_rng(3).normal(0.02, 0.2, 30)
    found = mean_spread(values, readers=["ada"] * 30, cases=list(map(str, range(30))))
    both = max(
        ttest_1samp(values, -0.1, alternative="greater").pvalue, ttest_1samp(values, 0.1, alternative="less").pvalue
    )
    assert found.equivalence_p(float(values.mean()), margin=0.1) == pytest.approx(both)
