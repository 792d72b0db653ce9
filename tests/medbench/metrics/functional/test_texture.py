from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medbench.metrics.functional.texture import (
    adjacent_correlation,
    eroded,
    homogeneous_rois,
    noise_figures,
    noise_power,
    radial_mean,
    roi_side,
    without_trend,
    worst_dip,
)

SPACING = (0.7, 0.7)


def white(count: int, side: int = 32, *, sd: float = 10.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, sd, (count, side, side))


def test_erosion_is_scipys_for_one_label():
    ball = np.linalg.norm(np.indices((12, 13, 11)) - 5.5, axis=0) < 4.5
    assert np.array_equal(eroded(ball.astype(np.uint8)) > 0, ndimage.binary_erosion(ball))


def test_neighbouring_labels_erode_each_other_and_so_does_the_edge():
    labels = np.ones((6, 5, 5), np.uint8)
    labels[3:] = 2
    found = eroded(labels)
    assert np.argwhere(found).min(axis=0).tolist() == [1, 1, 1]
    assert found[1].max() == 1
    assert found[4].max() == 2
    assert not found[2:4].any()
    assert labels.all()  # untouched


@pytest.mark.parametrize(("plane", "side"), [(48, 8), (64, 8), (128, 16), (256, 32), (512, 32)])
def test_the_squares_side_follows_the_grid(plane, side):
    assert roi_side((plane, plane + 10, 4)) == side


def test_white_noise_has_a_flat_spectrum_whose_integral_is_the_variance():
    """Analytic: NPS of white noise is its variance times the pixel's area at every frequency."""
    rois = white(400)
    power = noise_power(rois, SPACING)
    step = 1 / (32 * 0.7)
    assert power.sum() * step**2 == pytest.approx(np.square(rois).mean(), rel=1e-12)
    _, rings = radial_mean(power, SPACING)
    assert rings == pytest.approx(100 * 0.7**2, rel=0.05)


def test_filtered_noise_has_the_filters_squared_gain():
    """Analytic: the spectrum of filtered white noise is its own times the squared modulus of the filter's response."""
    kernel = np.array([0.25, 0.5, 0.25])
    rois = ndimage.convolve1d(ndimage.convolve1d(white(400), kernel, 1, mode="wrap"), kernel, 2, mode="wrap")
    gain = np.square(0.5 + 0.5 * np.cos(2 * np.pi * np.fft.fftfreq(32)))
    expected = 100 * 0.49 * gain[:, None] * gain
    found = noise_power(rois, SPACING)
    assert found == pytest.approx(expected, rel=0.3, abs=0.01)
    assert radial_mean(found, SPACING)[1][:12] == pytest.approx(radial_mean(expected, SPACING)[1][:12], rel=0.1)


def test_a_wave_peaks_at_its_frequency():
    wave = 20 * np.sin(2 * np.pi * 5 * np.arange(32) / 32)
    figures = noise_figures(np.broadcast_to(wave[:, None], (1, 32, 32)), (0.8, 0.8))
    assert figures["peak_frequency"] == pytest.approx(5 / (32 * 0.8))
    assert figures["mean_frequency"] == pytest.approx(5 / (32 * 0.8))


def test_frequencies_are_physical():
    """Halving the spacing doubles every frequency; the noise's SD does not know the spacing."""
    rois = without_trend(white(20))
    fine, coarse = noise_figures(rois, (0.5, 0.5)), noise_figures(rois, (1.0, 1.0))
    assert fine["mean_frequency"] == pytest.approx(2 * coarse["mean_frequency"])
    assert fine["sd"] == coarse["sd"] == pytest.approx(10, rel=0.02)


def test_blur_lowers_frequency_and_sd():
    sharp = white(50)
    soft = ndimage.gaussian_filter(sharp, (0, 1, 1))
    before, after = (noise_figures(without_trend(rois), SPACING) for rois in (sharp, soft))
    assert after["mean_frequency"] < 0.6 * before["mean_frequency"]
    assert after["sd"] < 0.5 * before["sd"]


def test_trends_are_removed_and_cost_three_degrees_of_freedom():
    x, y = np.indices((16, 16))
    noise = white(2000, 16)
    trended = noise + 40 + 3 * x - 2 * y
    assert without_trend(trended) == pytest.approx(without_trend(noise), abs=1e-9)
    assert noise_figures(without_trend(trended), SPACING)["sd"] == pytest.approx(10, rel=5e-3)


def test_squares_lie_inside_one_even_region():
    hu = np.full((64, 64, 6), 50.0) + np.random.default_rng(1).normal(0, 10, (64, 64, 6))
    labels = np.zeros((64, 64, 6), np.uint8)
    labels[4:40, 4:40] = 1
    labels[44:60, 4:60] = 2
    hu[labels == 2] -= 900  # lung: no soft tissue
    found = homogeneous_rois(hu, eroded(labels))
    assert found.shape == (16, 8, 8)
    assert found.std() == pytest.approx(10, rel=0.1)
    hu[:, 20:] += 200  # an edge through the first region
    across = homogeneous_rois(hu, eroded(labels))
    assert np.abs(across).max() < 60
    assert homogeneous_rois(hu - 900, eroded(labels)).shape == (0, 8, 8)
    assert homogeneous_rois(hu, np.zeros_like(labels)).shape == (0, 8, 8)


def test_adjacent_slices_correlate_as_pearson_says():
    hu = np.random.default_rng(2).normal(size=(9, 8, 4))
    expected = [np.corrcoef(hu[:, :, z].ravel(), hu[:, :, z + 1].ravel())[0, 1] for z in range(3)]
    assert adjacent_correlation(hu) == pytest.approx(expected)
    hu[:, :, 2] = 7
    assert np.isnan(adjacent_correlation(hu)).tolist() == [False, True, True]


def test_the_worst_dip_is_found_with_its_depth():
    steady = np.full(20, 0.98)
    assert worst_dip(steady) == (pytest.approx(0), 0)
    steady[7] = 0.9
    assert worst_dip(steady) == (pytest.approx(4), 7)


def test_slow_changes_are_no_dip():
    slow = 0.95 - 0.05 * np.cos(np.linspace(0, 2 * np.pi, 60))
    assert worst_dip(slow)[0] < 0.1


def test_constant_slices_are_passed_over():
    correlations = np.array([np.nan, 0.9, 0.9, 0.5, 0.9, 0.9, 0.9, np.nan])
    assert worst_dip(correlations) == (pytest.approx(4), 3)
    assert worst_dip(correlations[:5]) is None
