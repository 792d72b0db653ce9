import numpy as np
import pytest
from scipy.linalg import sqrtm

from medbench.metrics.functional.frechet import (
    FeatureStatistics,
    frechet_distance,
    merged,
    quick_distance,
    without_each,
)


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


@pytest.mark.parametrize("dimension", [8, 90])
def test_shards_merge_to_the_whole_and_leave_each_one_out(rng, dimension):
    rows = correlated(rng, 60, dimension, shift=5.0)
    cuts = [slice(0, 1), slice(1, 20), slice(20, 23), slice(23, 60)]
    shards = [FeatureStatistics.of(rows[cut]) for cut in cuts]
    found = [merged(shards), *without_each(shards)]
    expected = [FeatureStatistics.of(rows), *(FeatureStatistics.of(np.delete(rows, cut, axis=0)) for cut in cuts)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.count == other.count
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12)
        np.testing.assert_allclose(one.scatter, other.scatter, rtol=1e-9, atol=1e-9)
        assert one.total_variance == pytest.approx(other.total_variance, rel=1e-12)
        against = FeatureStatistics.of(rows[:30] + 1.0)
        assert frechet_distance(one, against) == pytest.approx(frechet_distance(other, against), rel=1e-10)


def test_two_parts_leave_the_other_one(rng):
    parts = [FeatureStatistics.of(correlated(rng, count, 4)) for count in (5, 9)]
    assert [rest.count for rest in without_each(parts)] == [9, 5]


def test_statistics_never_outgrow_the_scatter(rng):
    """Streams of any length, cut into any parts, are kept in d x d numbers."""
    statistics = FeatureStatistics.of(correlated(rng, 3, 16))
    assert statistics.spread.shape == (3, 16)
    for _ in range(20):
        statistics = statistics.merge(FeatureStatistics.of(correlated(rng, 2, 16)))
        assert statistics.spread.shape[0] <= 16
    assert statistics.spread.shape == (16, 16)


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


SPECTRA = {
    "even": np.ones(40),
    "as a network's": np.arange(1, 41) ** -0.6,
    "steep": np.logspace(0, -4, 40),
    "beyond the squares": np.logspace(0, -7, 40),
    "two scales": np.where(np.arange(40) < 20, 1.0, 1e-6),
    "dead features": np.where(np.arange(40) < 30, 1.0, 0.0),
    "one feature": np.where(np.arange(40) < 1, 1.0, 0.0),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize(("n", "m"), [(45, 44), (400, 60), (12, 80), (9, 9)])
def test_the_shorter_way_to_the_nuclear_norm_changes_nothing(rng, spectrum, mixed, n, m):
    """Singular values of the factors' product, whether or not their squares can be told from rounding."""
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0] if mixed else np.eye(40)
    x, y = ((rng.normal(size=(rows, 40)) * SPECTRA[spectrum]) @ basis for rows in (n, m))
    a, b = FeatureStatistics.of(x), FeatureStatistics.of(1.3 * y)
    overlap = np.linalg.svd(a.factor.T @ b.factor, compute_uv=False).sum()
    total = np.square(a.factor).sum() + np.square(b.factor).sum()
    expected = np.square(a.mean - b.mean).sum() + total - 2.0 * overlap
    assert abs(frechet_distance(a, b) - expected) < 1e-13 * total
    assert frechet_distance(a, a) < 1e-13 * total


def test_one_vector_has_no_covariance():
    with pytest.raises(ValueError, match="two vectors or more; got 1"):
        frechet_distance(FeatureStatistics.of(np.ones((1, 3))), FeatureStatistics.of(np.ones((4, 3))))


@pytest.mark.parametrize(("n", "m", "dimension"), [(400, 300, 12), (9, 14, 64), (300, 14, 64), (14, 300, 64)])
def test_quick_distance_is_the_distance(rng, n, m, dimension):
    """Every combination of kept rows and kept scatter, on either side."""
    a = FeatureStatistics.of(correlated(rng, n, dimension))
    b = FeatureStatistics.of(correlated(rng, m, dimension, shift=0.2, scale=1.3))
    exact = frechet_distance(a, b)
    assert quick_distance(a, b) == pytest.approx(exact, rel=1e-7)
    assert quick_distance(b, a) == pytest.approx(exact, rel=1e-7)


def test_quick_distance_of_features_as_uneven_as_a_networks(rng):
    """Variances over eight orders of magnitude and dead features: its error stays far below what replicates show."""
    scale = np.concatenate([np.logspace(0, -4, 60), np.zeros(20)])
    x, y = rng.normal(size=(200, 80)) * scale, rng.normal(size=(150, 80)) * scale[::-1]
    a, b = FeatureStatistics.of(x), FeatureStatistics.of(y)
    assert quick_distance(a, b) == pytest.approx(frechet_distance(a, b), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(6, 7), (40, 30), (6, 30)])
def test_exact_against_fifty_digits(n, m):
    """An independent reference: eigenvalues of the product of the covariances, in mpmath with 50 digits."""
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(n)
    x, y = correlated(rng, n, 10) * np.logspace(0, -3, 10), correlated(rng, m, 10, shift=0.2) * np.logspace(0, -3, 10)
    with mpmath.workdps(50):
        (mean_x, cov_x), (mean_y, cov_y) = (_mpmath_moments(mpmath, rows) for rows in (x, y))
        eigenvalues = mpmath.eig(cov_x * cov_y, left=False, right=False)
        overlap = sum(mpmath.sqrt(abs(mpmath.re(value))) for value in eigenvalues)
        gap = mean_x - mean_y
        trace = sum(cov_x[i, i] + cov_y[i, i] for i in range(10))
        expected = float(sum(value**2 for value in gap) + trace - 2 * overlap)
    assert frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y)) == pytest.approx(expected, rel=1e-10)


def _mpmath_moments(mpmath, rows):
    matrix = mpmath.matrix(rows.tolist())
    count, dimension = rows.shape
    mean = mpmath.matrix([sum(matrix[i, j] for i in range(count)) / count for j in range(dimension)])
    centred = mpmath.matrix([[matrix[i, j] - mean[j] for j in range(dimension)] for i in range(count)])
    return mean, centred.T * centred / (count - 1)


@pytest.mark.parametrize(("n", "m"), [(30, 45), (90, 70)])
def test_exact_in_many_dimensions(n, m):
    """Fewer rows than dimensions, and more: exact to 1e-6 against roots of the eigenvalues of a symmetric product."""
    rng = np.random.default_rng(7)
    x, y = correlated(rng, n, 64), correlated(rng, m, 64, shift=0.1, scale=1.2)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ np.cov(y.T) @ root).clip(min=0)).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(np.cov(x.T) + np.cov(y.T)) - 2 * overlap
    assert frechet_distance(FeatureStatistics.of(x), FeatureStatistics.of(y)) == pytest.approx(expected, rel=1e-6)
