import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from medbench.errors import Unavailable
from medbench.metrics.functional.mmd import median_distance
from medbench.metrics.mmd3d import Mmd3d


def vectors(count, *, seed, dimension=5, shift=0.0, scale=1.0):
    rows = scale * np.random.default_rng(seed).normal(size=(count, dimension)) + shift
    return rows.astype(np.float32)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, subjects=None, **options):
        sides = make_side(len(real), vectors=real), make_side(len(synthetic), vectors=synthetic, subjects=subjects)
        return Mmd3d().measure(make_evidence(*sides, **options))

    return measured


def reference(real, synthetic):
    """scikit-learn's kernel; the means over all pairs but those of a row with itself."""
    gaps = np.linalg.norm(real[:, None].astype(float) - real[None], axis=2)
    gamma = 1 / (2 * np.median(gaps[np.triu_indices(len(real), 1)]) ** 2)
    xx, yy, xy = (rbf_kernel(a, b, gamma=gamma) for a, b in ((real, real), (synthetic, synthetic), (real, synthetic)))
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
    return sum(within) - 2 * xy.mean()


def test_value_agrees_with_scikit_learn(measure):
    real, synthetic = vectors(12, seed=0), vectors(9, seed=1, shift=0.4)
    expected = reference(real.astype(float), synthetic.astype(float))
    assert measure(real, synthetic).value == pytest.approx(expected, rel=1e-9)


def test_a_set_against_itself_is_what_the_unbiased_estimate_makes_of_it(measure):
    """2/n (mean kernel off the diagonal - 1): below 0, since a row meets itself on the other side only."""
    real = vectors(12, seed=0)
    gamma = 1 / (2 * median_distance(real.astype(float)) ** 2)
    kernel = rbf_kernel(real.astype(float), gamma=gamma)
    off = (kernel.sum() - 12) / (12 * 11)
    assert measure(real, real).value == pytest.approx(2 / 12 * (off - 1), rel=1e-9)


def test_the_estimate_is_unbiased(measure):
    """Over repeated draws from one distribution its mean is 0, with 8 volumes a side in 40 dimensions."""
    values = [
        measure(*(vectors(8, seed=[draw, side], dimension=40) for side in (0, 1)), intervals=False).value
        for draw in range(200)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(200)
    assert min(values) < 0 < max(values)


def test_far_apart_sets_reach_the_kernels_bound(measure):
    """All kernel values between the sides vanish: the two means within are left."""
    real = vectors(10, seed=0)
    found = measure(real, real + np.float32(1000))
    gamma = 1 / (2 * median_distance(real.astype(float)) ** 2)
    kernel = rbf_kernel(real.astype(float), gamma=gamma)
    assert found.value == pytest.approx(2 * (kernel.sum() - 10) / 90, rel=1e-3)


def test_the_bandwidth_is_the_real_sides(measure):
    """Exchanged sides give another value: the ruler is the spread of the real volumes."""
    real, synthetic = vectors(10, seed=0), vectors(10, seed=1, scale=3.0)
    forth, back = measure(real, synthetic), measure(synthetic, real)
    assert forth.parts["bandwidth"] == pytest.approx(median_distance(real.astype(float)))
    assert abs(forth.value - back.value) > 0.05


def test_a_scaling_of_all_features_changes_nothing(measure):
    real, synthetic = vectors(10, seed=0), vectors(10, seed=1, shift=0.5)
    assert measure(7 * real, 7 * synthetic).value == pytest.approx(measure(real, synthetic).value, rel=1e-5)


def test_pairs_within_a_subject_are_left_out(measure):
    """Two volumes of each subject: the mean within the synthetic side is over pairs of different subjects."""
    real, synthetic = vectors(6, seed=0).astype(float), vectors(8, seed=1).astype(float)
    subjects = [f"p{index // 2}" for index in range(8)]
    gamma = 1 / (2 * median_distance(real) ** 2)
    kernel = rbf_kernel(synthetic, gamma=gamma)
    different = np.array([[a != b for b in subjects] for a in subjects])
    xx = rbf_kernel(real, gamma=gamma)
    expected = (xx.sum() - 6) / 30 + kernel[different].mean() - 2 * rbf_kernel(real, synthetic, gamma=gamma).mean()
    assert measure(real, synthetic, subjects=subjects).value == pytest.approx(expected, rel=1e-9)


def test_interval_holds_the_value_and_may_reach_below_zero(measure):
    found = measure(vectors(12, seed=0), vectors(12, seed=1))
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.ci95[0] < 0
    assert len(found.replicates["real"].values) == 12


def test_interval_covers_the_mean_of_its_sampling_distribution(measure):
    found = [measure(vectors(12, seed=[d, 0]), vectors(12, seed=[d, 1], shift=0.5)) for d in range(100)]
    centre = np.mean([one.value for one in found])
    covered = np.mean([one.ci95[0] <= centre <= one.ci95[1] for one in found])
    assert covered >= 0.9


def test_replicates_leave_out_the_subject_they_stand_for(measure):
    real, synthetic = vectors(6, seed=0).astype(float), vectors(7, seed=1).astype(float)
    found = measure(real, synthetic)
    gamma = 1 / (2 * median_distance(real) ** 2)  # the bandwidth stays that of all real volumes
    rest = real[1:]
    xx, yy = rbf_kernel(rest, gamma=gamma), rbf_kernel(synthetic, gamma=gamma)
    expected = (xx.sum() - 5) / 20 + (yy.sum() - 7) / 42 - 2 * rbf_kernel(rest, synthetic, gamma=gamma).mean()
    assert found.replicates["real"].values[0] == pytest.approx(expected, rel=1e-9)


def test_equal_real_volumes_give_no_bandwidth(measure):
    with pytest.raises(Unavailable, match="no bandwidth"):
        measure(np.ones((5, 3)), vectors(5, seed=0, dimension=3))
