from __future__ import annotations

import numpy as np
import pytest

from medbench.reader_study.score.criteria import differences, ratings_of, standing
from medbench.statistics.areas import Ratings


def test_the_paper_s_eight_of_ten(rating_study) -> None:
    """One reader, eight of ten called real: Clopper-Pearson .44 to .97."""
    (criterion, *_) = rating_study({"real": 0.0}, readers=1, cases=2, seed=0).study.criteria
    found = standing(criterion, Ratings(np.array([1.0] * 8 + [0.0] * 2), ["ada"] * 10, list("abcdefghij")))
    assert (found.n, found.cases, found.share, found.mean) == (10, 10, 0.8, 0.8)
    assert tuple(round(end, 2) for end in found.ci95) == (0.44, 0.97)
    assert found.counts == (2, 8)


def test_a_scale_has_the_figures_of_its_ratings(rating_study) -> None:
    scored = rating_study({"real": 0.5, "a": -0.5}, readers=4, cases=10, seed=0)
    criterion = next(c for c in scored.study.criteria if c.id == "anatomy")
    rows = scored.table[scored.table["model"] == "a"]["anatomy"]
    found = standing(criterion, ratings_of(scored.once, "anatomy", "a"))
    assert (found.n, found.mean, found.median) == (40, rows.mean(), rows.median())
    assert found.iqr == (rows.quantile(0.25), rows.quantile(0.75))
    assert found.share == (rows == 5).mean()
    assert sum(found.counts) == 40
    assert 1 <= found.mean_ci95[0] <= found.mean <= found.mean_ci95[1] <= 5


def test_sources_that_differ_are_told_apart_and_equal_ones_are_not(rating_study) -> None:
    tests = differences(rating_study({"real": 0.8, "a": 0.8, "b": -1.0}, readers=5, cases=12, seed=1))
    assert {(test.criterion, test.a, test.b) for test in tests} == {
        (criterion, *pair)
        for criterion in ("realism", "anatomy", "image_quality", "diagnostic_quality")
        for pair in (("real", "a"), ("real", "b"), ("a", "b"))
    }
    for test in tests:
        assert (test.p_adjusted < 0.05) == (test.b == "b"), test
        assert (test.area > 0.7) == (test.b == "b")
        assert test.p_value <= test.p_adjusted


def test_repeats_do_not_count_twice(rating_study) -> None:
    scored = rating_study({"real": 0.0, "a": 0.0}, readers=2, cases=6, seed=0, repeats=4)
    assert len(scored.table) == 2 * 16
    assert len(scored.once) == 2 * 12


@pytest.mark.slow
def test_simulated_readers_show_power_and_false_positives(rating_study) -> None:
    """100 studies of 3 readers and 10 cases a source: Holm holds the rate of any false positive; power is stated."""
    false, seen = 0, 0
    for seed in range(100):
        equal = differences(rating_study({"real": 0.4, "a": 0.4, "b": 0.4}, readers=3, cases=10, seed=seed))
        false += any(test.p_adjusted < 0.05 for test in equal)
        far = differences(rating_study({"real": 0.9, "a": -0.9}, readers=3, cases=10, seed=seed))
        seen += any(test.p_adjusted < 0.05 for test in far)
    assert false <= 9
    assert seen >= 75
