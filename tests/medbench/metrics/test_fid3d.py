import numpy as np
import pytest

from medbench.metrics.fid3d import Fid3d


def vectors(count, *, seed, dimension=5, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32) + np.float32(shift)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, subjects=None, **options):
        sides = make_side(len(real), vectors=real), make_side(len(synthetic), vectors=synthetic, subjects=subjects)
        return Fid3d().measure(make_evidence(*sides, **options))

    return measured


def test_a_shift_and_a_stretch_have_their_known_distances(measure):
    """|Δμ|² for a shift; tr Σ (1 - s)² for a stretch by s about the mean."""
    real = vectors(9, seed=0)
    shifted = measure(real, real + np.float32(0.5))
    assert shifted.value == pytest.approx(5 * 0.25, rel=1e-5)
    assert shifted.parts["means"] == pytest.approx(5 * 0.25, rel=1e-5)
    stretched = measure(real, (real - real.mean(0)) * 3 + real.mean(0))
    assert stretched.value == pytest.approx(4 * real.var(axis=0, ddof=1).sum(), rel=1e-5)


def test_value_agrees_with_the_eigenvalues_of_the_product(measure):
    """An independent way to tr (Σ₁ Σ₂)^½ where both have full rank."""
    real, synthetic = vectors(40, seed=0).astype(float), vectors(30, seed=1, shift=0.3).astype(float) * 1.4
    covariances = [np.cov(rows, rowvar=False) for rows in (real, synthetic)]
    overlap = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    gap = real.mean(0) - synthetic.mean(0)
    expected = gap @ gap + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * overlap
    assert measure(real, synthetic).value == pytest.approx(expected, rel=1e-9)


def test_value_is_symmetric_but_the_table_refers_to_the_real_volumes(measure):
    real, synthetic = vectors(6, seed=0), vectors(8, seed=1, shift=1.0)
    forth, back = measure(real, synthetic), measure(synthetic, real)
    assert forth.value == pytest.approx(back.value, rel=1e-10)
    assert len(forth.table) == 14
    rows = forth.table.query("side == 'synthetic'")
    distances = np.linalg.norm(synthetic[:, None].astype(float) - real[None], axis=2).min(axis=1)
    np.testing.assert_allclose(rows["distance_to_nearest_real"], distances, rtol=1e-5)
    np.testing.assert_allclose(rows["distance_to_real_mean"], np.linalg.norm(synthetic - real.mean(0), axis=1), 1e-5)
    assert not np.allclose(back.table.query("side == 'synthetic'")["distance_to_real_mean"].iloc[0], rows.iloc[0, 3])


def test_a_real_volume_is_not_its_own_nearest(measure):
    rows = measure(vectors(6, seed=0), vectors(6, seed=1)).table.query("side == 'real'")
    assert (rows["distance_to_nearest_real"] > 0).all()


def test_few_volumes_in_many_dimensions_are_named(measure):
    assert "8 volumes in 50 dimensions bias" in measure(*(vectors(8, seed=s, dimension=50) for s in (0, 1))).notes[0]
    assert measure(vectors(8, seed=0), vectors(8, seed=1)).notes == ()
