import numpy as np
import pytest
from scipy import stats

from medbench.statistics.resampling import (
    Replicates,
    delete_each_group,
    group_sizes,
    groups_of,
    jackknife_interval,
    jackknifed,
    mean_interval,
    subject_means,
    too_few,
)


def names(count):
    return [f"s{index:03}" for index in range(count)]


def test_groups_hold_whole_subjects_and_ignore_the_order_of_volumes():
    subjects = [*names(23), *names(23)[::-1]]
    group = groups_of(subjects)
    assert group.max() == 19
    for subject in set(subjects):
        assert len({int(g) for s, g in zip(subjects, group) if s == subject}) == 1
    np.testing.assert_array_equal(groups_of(subjects[::-1]), group[::-1])
    np.testing.assert_array_equal(group_sizes(subjects), [2, 2, 2, *[1] * 17])


@pytest.mark.parametrize("count", [4, 20])
def test_jackknife_of_a_mean_is_the_textbook_standard_error(count):
    values = np.random.default_rng(1).normal(size=count)
    replicates = delete_each_group(lambda stay: float(values[stay].mean()), names(count))
    assert replicates.variance(values.mean()) == pytest.approx(values.var(ddof=1) / count, rel=1e-10)


def test_equal_groups_give_the_plain_formula():
    values = np.random.default_rng(2).normal(size=40)
    replicates = delete_each_group(lambda stay: float(np.median(values[stay])), names(40))
    plain = 19 / 20 * np.square(replicates.values - replicates.values.mean()).sum()
    assert replicates.variance(float(np.median(values))) == pytest.approx(plain, rel=1e-10)


def test_unequal_groups_stay_unbiased():
    rng = np.random.default_rng(3)
    variances = []
    for _ in range(400):
        values = rng.normal(size=31)
        replicates = delete_each_group(lambda stay, v=values: float(v[stay].mean()), names(31))
        variances.append(replicates.variance(values.mean()))
    assert np.mean(variances) == pytest.approx(1 / 31, rel=0.05)


def test_two_sided_interval_covers_a_difference_of_means():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        x, y = rng.normal(0, 1, 24), rng.normal(0.5, 2, 30)
        interval = jackknife_interval(
            y.mean() - x.mean(),
            real=delete_each_group(lambda stay, x=x, y=y: float(y.mean() - x[stay].mean()), names(24)),
            synthetic=delete_each_group(lambda stay, x=x, y=y: float(y[stay].mean() - x.mean()), names(30)),
            non_negative=False,
        )
        hits += interval.ends[0] <= 0.5 <= interval.ends[1]
    assert 0.92 <= hits / 300 <= 0.98


def test_jackknifed_leaves_out_one_side_at_a_time_and_keeps_what_it_found():
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, 24), rng.normal(0.5, 2, 30)
    found = jackknifed(
        y.mean() - x.mean(),
        lambda r, s: float(y[s].mean() - x[r].mean()),
        real=names(24),
        synthetic=names(30),
        non_negative=False,
    )
    by_hand = {
        "real": delete_each_group(lambda stay: float(y.mean() - x[stay].mean()), names(24)),
        "synthetic": delete_each_group(lambda stay: float(y[stay].mean() - x.mean()), names(30)),
    }
    expected = jackknife_interval(y.mean() - x.mean(), **by_hand, non_negative=False)
    assert (found.ends, found.method) == (expected.ends, expected.method)
    for side, replicates in found.replicates.items():
        np.testing.assert_array_equal(replicates.values, by_hand[side].values)
        np.testing.assert_array_equal(replicates.sizes, by_hand[side].sizes)


def test_jackknifed_says_why_there_is_no_interval():
    few = jackknifed(0.0, lambda r, s: 0.0, real=names(3), synthetic=names(9), non_negative=True)
    assert few.ends is None and "there are 3" in few.method and not few.replicates
    values = np.array([1.0, np.nan, 2.0, 3.0])
    broken = jackknifed(
        0.0, lambda r, s: float(values[s].mean()), real=names(9), synthetic=names(4), non_negative=True, undefined="why"
    )
    assert (broken.ends, broken.method, broken.replicates) == (None, "absent: why", {})


def test_lower_end_is_cut_only_where_the_method_says_so():
    wide = Replicates(np.array([0.0, 2.0, 0.0, 2.0]), np.ones(4, dtype=int))
    free = jackknife_interval(1.0, real=wide, synthetic=wide, non_negative=False)
    cut = jackknife_interval(1.0, real=wide, synthetic=wide, non_negative=True)
    assert free.ends[0] < 0
    assert "not below 0" not in free.method
    assert cut.ends == (0.0, free.ends[1])
    assert "not below 0" in cut.method
    assert "4 real and 4 synthetic groups" in cut.method


def test_too_few_subjects_have_a_reason_not_an_interval():
    assert too_few(names(4), names(9)) is None
    absent = too_few(names(9), ["a", "a", "b", "c", "c"])
    assert absent.ends is None
    assert "there are 3" in absent.method


def test_mean_interval_is_the_t_interval_over_subjects():
    values = np.array([1.0, 3.0, 5.0, 5.0, 9.0, 4.0])
    subjects = ["b", "b", "a", "c", "d", "e"]
    np.testing.assert_allclose(subject_means(values, subjects), [5, 2, 5, 9, 4])
    expected = stats.ttest_1samp([5, 2, 5, 9, 4], 0).confidence_interval(0.95)
    assert mean_interval(values, subjects).ends == pytest.approx(tuple(expected))
    assert mean_interval(values[:4], subjects[:4]).ends is None
