import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel
from torch_fidelity.metric_kid import kernel_mmd, mmd2

from medbench.metrics.functional import blocks
from medbench.metrics.functional.mmd import KernelSums, cubic_kernel, gaussian_kernel, median_distance

POLYNOMIAL = {
    "kid_kernel": "poly",
    "kid_kernel_poly_degree": 3,
    "kid_kernel_poly_gamma": None,
    "kid_kernel_poly_coef0": 1.0,
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def own_subjects(rows):
    return [row[None] for row in rows]


def slow_mmd2(values_of, real, synthetic):
    """The definition, pair by pair: rows of different subjects only."""

    def mean(first, second, *, same_side):
        found = [
            values_of(x[None], y[None])[0, 0]
            for i, rows in enumerate(first)
            for j, columns in enumerate(second)
            if not (same_side and i == j)
            for x in rows
            for y in columns
        ]
        return np.mean(found)

    return (
        mean(real, real, same_side=True)
        + mean(synthetic, synthetic, same_side=True)
        - 2 * mean(real, synthetic, same_side=False)
    )


def test_kernels_are_those_of_scikit_learn(rng):
    x, y = rng.normal(size=(9, 7)), rng.normal(size=(5, 7))
    np.testing.assert_allclose(cubic_kernel(x, y), polynomial_kernel(x, y, degree=3, gamma=1 / 7, coef0=1), rtol=1e-12)
    np.testing.assert_allclose(gaussian_kernel(1.7)(x, y), rbf_kernel(x, y, gamma=1 / (2 * 1.7**2)), rtol=1e-10)


def test_the_median_distance_is_over_pairs():
    assert median_distance(np.array([[0.0], [1.0], [10.0]])) == 9.0


@pytest.mark.parametrize("n", [2, 3, 8, 31])
@pytest.mark.parametrize("kind", ["any", "far from 0", "two places", "ties", "copies", "equal"])
def test_the_median_is_that_of_all_distances(rng, n, kind):
    """Far fewer rows than dimensions, or more; copies are at distance 0, not at what rounding makes of it."""
    for dimension in (1, 4, 300):
        rows = {
            "any": rng.normal(size=(n, dimension)),
            "far from 0": 1e6 + rng.normal(size=(n, dimension)),
            "two places": rng.normal(size=(n, dimension)) + 1e5 * (np.arange(n) % 2)[:, None],
            "ties": rng.integers(0, 3, size=(n, dimension)).astype(float),
            "copies": rng.normal(size=(n, dimension))[np.arange(n) // 4],
            "equal": np.full((n, dimension), 0.1),
        }[kind]
        expected = np.median(pdist(rows))
        assert median_distance(rows) == pytest.approx(expected, rel=1e-12, abs=0.0), dimension


def test_a_median_among_many_ties(rng):
    """Most pairs are as far as the middle one, more than are looked at singly."""
    rows = np.repeat(np.eye(3), 60, axis=0)
    assert median_distance(rows) == np.median(pdist(rows)) == np.sqrt(2.0)


def test_one_row_a_subject_is_the_estimate_of_torch_fidelity(rng):
    x, y = rng.normal(size=(40, 16)), rng.normal(0.3, 1.2, size=(40, 16))
    expected = kernel_mmd(x, y, **POLYNOMIAL)
    found = KernelSums.of(cubic_kernel, real=own_subjects(x), synthetic=own_subjects(y)).mmd2()
    assert found == pytest.approx(expected, rel=1e-10)


def test_gaussian_mmd_is_that_of_torch_fidelity(rng):
    x, y = rng.normal(size=(30, 6)), rng.normal(0.4, 1.0, size=(30, 6))
    grams = (rbf_kernel(a, b, gamma=1 / (2 * 2.5**2)) for a, b in ((x, x), (x, y), (y, y)))
    found = KernelSums.of(gaussian_kernel(2.5), real=own_subjects(x), synthetic=own_subjects(y)).mmd2()
    assert found == pytest.approx(mmd2(*grams), rel=1e-9)


def test_agrees_with_monai(rng):
    """MONAI's MMDMetric is the same estimate with the linear kernel."""
    from monai.metrics import MMDMetric

    x, y = rng.normal(size=(12, 5)), rng.normal(0.5, 1.0, size=(12, 5))
    theirs = float(MMDMetric(y_mapping=None)(torch.from_numpy(x), torch.from_numpy(y)))
    sums = KernelSums.of(lambda a, b: a @ b.T, real=own_subjects(x), synthetic=own_subjects(y))
    assert sums.mmd2() == pytest.approx(theirs, rel=1e-5)


def test_pairs_within_a_subject_take_no_part(rng):
    real = [rng.normal(size=(count, 4)) for count in (3, 1, 2)]
    synthetic = [rng.normal(0.5, 1.0, size=(count, 4)) for count in (2, 4)]
    found = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic).mmd2()
    assert found == pytest.approx(slow_mmd2(cubic_kernel, real, synthetic), rel=1e-10)


def test_blocks_change_nothing(rng, monkeypatch):
    real = [rng.normal(size=(count, 4)) for count in (3, 9, 2, 1, 5, 4)]
    synthetic = [rng.normal(size=(count, 4)) for count in (2, 4, 7)]
    whole = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    cut = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic)
    for name in ("real", "synthetic", "cross"):
        np.testing.assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-10)


def test_leaving_subjects_out_is_computing_without_them(rng):
    real = [rng.normal(size=(3, 4)) for _ in range(6)]
    synthetic = [rng.normal(size=(2, 4)) for _ in range(5)]
    sums = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic)
    stay = np.array([True, False, True, True, False, True])
    fewer = KernelSums.of(cubic_kernel, real=[rows for rows, s in zip(real, stay) if s], synthetic=synthetic)
    assert sums.mmd2(real=stay) == pytest.approx(fewer.mmd2(), rel=1e-10)
    without_last = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic[:-1]).mmd2()
    assert sums.mmd2(synthetic=np.arange(5) < 4) == pytest.approx(without_last, rel=1e-10)


def test_symmetric(rng):
    real, synthetic = ([rng.normal(size=(2, 3)) for _ in range(count)] for count in (5, 7))
    forth = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic).mmd2()
    assert forth == pytest.approx(KernelSums.of(cubic_kernel, real=synthetic, synthetic=real).mmd2(), rel=1e-10)


def test_unbiased_where_slices_of_a_subject_resemble_each_other(rng):
    """Two sets of one population score 0 on average; counting pairs within subjects would not."""

    def subjects():
        return [rng.normal(size=4) + 0.3 * rng.normal(size=(6, 4)) for _ in range(8)]

    ours, usual = [], []
    for _ in range(300):
        real, synthetic = subjects(), subjects()
        ours.append(KernelSums.of(cubic_kernel, real=real, synthetic=synthetic).mmd2())
        usual.append(kernel_mmd(np.concatenate(real), np.concatenate(synthetic), **POLYNOMIAL))
    error = np.std(ours) / np.sqrt(len(ours))
    assert abs(np.mean(ours)) < 3 * error
    assert np.mean(usual) > 10 * error
