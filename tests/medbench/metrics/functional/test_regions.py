import numpy as np
import pytest
from scipy import stats

from medbench.metrics.functional.regions import composition, log_volume_distance, mean_wasserstein, region_figures


def test_figures_match_scipy():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(5, 1, 50), rng.normal(5.5, 2, 31)
    figures = region_figures(real=real, synthetic=synthetic)
    up = stats.ks_2samp(real, synthetic, alternative="greater").statistic
    down = stats.ks_2samp(real, synthetic, alternative="less").statistic
    assert figures["ks"] == pytest.approx(max(up, down))
    assert figures["overlap"] == pytest.approx(1 - up - down)
    assert figures["wasserstein"] == pytest.approx(stats.wasserstein_distance(real, synthetic) / real.std(ddof=1))


def test_overlap_is_the_overlapping_area_of_two_normals():
    quantiles = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    figures = region_figures(real=quantiles, synthetic=0.4 + 1.8 * quantiles)
    at = np.linspace(-12, 12, 200_001)
    area = np.minimum(stats.norm.pdf(at), stats.norm.pdf(at, 0.4, 1.8)).sum() * (at[1] - at[0])
    assert figures["overlap"] == pytest.approx(area, abs=1e-3)


def test_joint_distance_sees_organs_that_no_longer_grow_together():
    rng = np.random.default_rng(0)
    size = rng.normal(size=(80, 1))
    real = np.exp(5 + 0.1 * (size + 0.1 * rng.normal(size=(80, 3))))
    shuffled = np.stack([rng.permutation(column) for column in real.T], axis=1)
    assert log_volume_distance(real=real, synthetic=shuffled) > 0.3
    assert log_volume_distance(real=1000 * real, synthetic=1000 * shuffled) == pytest.approx(
        log_volume_distance(real=real, synthetic=shuffled)
    )


def test_composition_is_the_share_of_all_regions():
    shares = composition(np.array([[1.0, 3.0], [0.0, 0.0], [2.0, 2.0]]))
    assert shares.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert "composition_wasserstein" not in region_figures(real=shares[:, 0], synthetic=shares[:, 0])


def test_distances_without_variation_are_not_numbers():
    flat, varied = np.ones((4, 1)), np.arange(1.0, 5)[:, None]
    assert np.isnan(mean_wasserstein(real=flat, synthetic=varied))
    assert np.isnan(log_volume_distance(real=flat, synthetic=varied))
    assert np.isnan(log_volume_distance(real=varied, synthetic=varied[:1]))
