import numpy as np
import pytest
from scipy.linalg import sqrtm

from medbench.metrics.frechet import FeatureStatistics, frechet_distance, merged


def correlated(rng, count, dimension, *, shift=0.0, scale=1.0):
    mixing = np.random.default_rng(99).normal(size=(dimension, dimension)) / np.sqrt(dimension)
    return scale * rng.normal(size=(count, dimension)) @ mixing + shift


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_statistics_are_mean_and_covariance(rng):
    rows = correlated(rng, 50, 6)
    statistics = FeatureStatistics.of(rows)
    np.testing.assert_allclose(statistics.mean, rows.mean(axis=0))
    np.testing.assert_allclose(statistics.scatter / 49, np.cov(rows.T))
    np.testing.assert_allclose(statistics.factor @ statistics.factor.T, np.cov(rows.T), atol=1e-12)


def test_shards_merge_to_the_whole_and_divide_again(rng):
    rows = correlated(rng, 60, 8, shift=5.0)
    shards = [FeatureStatistics.of(part) for part in (rows[:1], rows[1:20], rows[20:23], rows[23:])]
    whole, together = FeatureStatistics.of(rows), merged(shards)
    rest, direct = together.without(shards[1]), FeatureStatistics.of(np.delete(rows, np.s_[1:20], axis=0))
    for found, expected in ((together, whole), (rest, direct)):
        assert found.count == expected.count
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(found.scatter, expected.scatter, rtol=1e-10, atol=1e-10)


def test_half_precision_features_are_summed_in_double():
    rows = np.full((5000, 2), 1.1, dtype=np.float16)
    assert FeatureStatistics.of(rows).mean[0] == pytest.approx(float(np.float16(1.1)), rel=1e-12)


@pytest.mark.parametrize(("count", "dimension"), [(200, 10), (12, 40), (2, 5)])
def test_equal_statistics_have_distance_zero(rng, count, dimension):
    rows = correlated(rng, count, dimension, shift=3.0)
    shards = merged([FeatureStatistics.of(rows[:1]), FeatureStatistics.of(rows[1:])])
    total = rows.var(axis=0).sum()
    assert frechet_distance(FeatureStatistics.of(rows), FeatureStatistics.of(rows)) < 1e-12 * total
    assert frechet_distance(FeatureStatistics.of(rows), shards) < 1e-10 * total


@pytest.mark.parametrize(("count", "dimension"), [(200, 10), (12, 40)])
def test_symmetric(rng, count, dimension):
    a = FeatureStatistics.of(correlated(rng, count, dimension))
    b = FeatureStatistics.of(correlated(rng, count + 9, dimension, shift=0.3, scale=1.5))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)


def test_gaussians_of_commuting_covariances():
    """Diagonal covariances: the distance is the sum of (μ₁ - μ₂)² + (σ₁ - σ₂)²."""
    sigma, tau = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5])
    a = FeatureStatistics(11, np.zeros(3), np.diag(sigma**2) * 10)
    b = FeatureStatistics(6, np.array([1.0, 0.0, -2.0]), np.diag(tau**2) * 5)
    assert frechet_distance(a, b) == pytest.approx(5.0 + np.square(sigma - tau).sum(), rel=1e-12)


def test_agrees_with_matrix_root_where_that_is_well_conditioned(rng):
    x, y = correlated(rng, 400, 12), correlated(rng, 300, 12, shift=0.2, scale=1.3)
    s, t = np.cov(x.T), np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y)) == pytest.approx(expected, rel=1e-9)


def test_agrees_with_monai(rng):
    """The number is that of MONAI 1.6.1 with SciPy 1.17: its FIDMetric does not run with SciPy 1.18."""
    x, y = correlated(rng, 400, 12), correlated(rng, 300, 12, shift=0.2, scale=1.3)
    expected = 1.473217505934084
    assert frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y)) == pytest.approx(expected, rel=1e-7)


def test_fewer_rows_than_dimensions_match_the_nuclear_norm(rng):
    x, y = correlated(rng, 9, 64), correlated(rng, 14, 64, shift=0.1)
    a, b = (x - x.mean(0)) / np.sqrt(8), (y - y.mean(0)) / np.sqrt(13)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.square(a).sum() + np.square(b).sum()
    expected -= 2 * np.linalg.norm(a @ b.T, "nuc")
    assert frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y)) == pytest.approx(expected, rel=1e-9)


def test_features_that_do_not_vary(rng):
    constant, shifted = FeatureStatistics.of(np.ones((4, 3))), FeatureStatistics.of(np.full((5, 3), 3.0))
    assert frechet_distance(constant, shifted) == pytest.approx(12.0)


def test_one_vector_has_no_covariance():
    with pytest.raises(ValueError, match="two vectors or more; got 1"):
        frechet_distance(FeatureStatistics.of(np.ones((1, 3))), FeatureStatistics.of(np.ones((4, 3))))
