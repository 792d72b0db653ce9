from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu

from medbench.statistics.areas import Ratings, area, placements


def ratings(table: np.ndarray, first_case: int = 0) -> Ratings:
    """(readers, cases) as ratings of cases that are numbered from a first one."""
    readers, cases = table.shape
    return Ratings(
        table.ravel().astype(np.float64),
        np.repeat([f"reader {number}" for number in range(readers)], cases).tolist(),
        [f"case {first_case + number}" for _ in range(readers) for number in range(cases)],
    )


def scales(seed: int, readers: int = 1, cases: int = 12, shift: float = 0.0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    taste, quality = chance.normal(0, 0.5, (readers, 1)), chance.normal(shift, 0.7, (1, cases))
    return np.clip(np.rint(3 + taste + quality + chance.normal(0, 0.7, (readers, cases))), 1, 5)


def test_the_area_is_mann_and_whitney_s_u_over_the_pairs() -> None:
    a, b = scales(0, cases=14, shift=0.5), scales(1)
    found = area(ratings(a), ratings(b, 100))
    reference = mannwhitneyu(a[0], b[0])
    assert found.value == pytest.approx(reference.statistic / (14 * 12))
    assert found.p_value == pytest.approx(reference.pvalue)
    assert found.test == "Mann-Whitney"


def test_delong_s_variance_of_one_reader() -> None:
    a, b = scales(0, cases=14, shift=0.5)[0], scales(1)[0]
    expected = placements(a, b).var(ddof=1) / 14 + placements(b, a).var(ddof=1) / 12
    found = area(ratings(a[None]), ratings(b[None], 100))
    assert found.spread.variance == pytest.approx(expected, rel=0.1)


def test_exchanging_the_groups_mirrors_the_area() -> None:
    a, b = ratings(scales(0, 4, shift=0.6)), ratings(scales(1, 4), 100)
    one, other = area(a, b), area(b, a)
    assert one.value == pytest.approx(1 - other.value)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.ci95 == pytest.approx((1 - other.ci95[1], 1 - other.ci95[0]))


def test_equal_ratings_have_no_difference() -> None:
    found = area(ratings(np.full((3, 8), 4)), ratings(np.full((3, 8), 4), 100))
    assert (found.value, found.p_value) == (0.5, 1.0)


def test_answers_of_yes_and_no_are_tested_exactly() -> None:
    a, b = np.array([[1] * 8 + [0] * 2]), np.array([[1] * 3 + [0] * 7])
    found = area(ratings(a), ratings(b, 100))
    assert found.p_value == pytest.approx(fisher_exact([[8, 2], [3, 7]]).pvalue)
    assert round(found.p_value, 2) == 0.07
    assert found.value == pytest.approx(0.5 + (0.8 - 0.3) / 2)


def test_groups_that_do_not_overlap_are_told_by_their_ranks_alone() -> None:
    """No rating varies, and still the p-value is not 0."""
    found = area(ratings(np.full((4, 6), 5)), ratings(np.full((4, 6), 1), 100))
    assert found.value == 1.0
    assert found.p_value == pytest.approx(fisher_exact([[6, 0], [0, 6]]).pvalue)


@pytest.mark.parametrize("readers", [1, 3, 6])
def test_false_positives_are_rare(readers: int) -> None:
    """Readers differ in taste and cases in quality, the groups do not: about 5 % of studies are positive."""
    studies = [scales(seed, readers, cases=24) for seed in range(200)]
    positive = [area(ratings(one[:, :12]), ratings(one[:, 12:], 100)).p_value < 0.05 for one in studies]
    assert np.mean(positive) < 0.08


def test_a_real_difference_is_found() -> None:
    found = area(ratings(scales(0, 4, 20, shift=1.2)), ratings(scales(1, 4, 20), 100))
    assert found.p_value < 0.01
    assert found.ci95[0] > 0.5
    assert found.equivalence_p(margin=0.1) > 0.5


def test_readers_of_one_group_only_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="no reader rated both"):
        area(Ratings(np.ones(3), ["a"] * 3, list("xyz")), Ratings(np.ones(3), ["b"] * 3, list("uvw")))
