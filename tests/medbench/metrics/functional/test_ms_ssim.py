import numpy as np
import pytest
import torch
from monai.metrics import MultiScaleSSIMMetric
from monai.metrics.regression import compute_ms_ssim
from scipy.ndimage import gaussian_filter

from medbench.errors import Unavailable
from medbench.metrics.functional.ms_ssim import SCALE_WEIGHTS, Pyramid, scales_that_fit, similarity


def smooth(seed, shape=(32, 34, 36)):
    volume = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return ((volume - volume.min()) / np.ptp(volume)).astype(np.float32)


def noisy(volume, sigma, seed=0):
    return (volume + np.random.default_rng(seed).normal(0, sigma, volume.shape)).astype(np.float32)


def ms_ssim(first, second):
    return similarity(Pyramid.of(first), Pyramid.of(second))


def monai(first, second, scales):
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    tensors = (torch.from_numpy(one)[None, None] for one in (first, second))
    return compute_ms_ssim(*tensors, spatial_dims=3, kernel_size=3, weights=tuple(weights.tolist())).item()


@pytest.mark.parametrize(
    ("axis", "scales"), [(2, 0), (3, 1), (5, 1), (6, 2), (12, 3), (26, 3), (27, 4), (32, 4), (47, 4), (48, 5), (512, 5)]
)
def test_scales_fit_the_smallest_axis(axis, scales):
    assert scales_that_fit(axis) == scales


@pytest.mark.parametrize("axis", [3, 6, 12, 27, 48])
def test_smallest_axis_of_each_number_of_scales_works(axis):
    volume = smooth(0, (axis, axis + 1, axis))
    assert ms_ssim(volume, volume) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", [(5, 7, 6), (11, 6, 9), (33, 41, 29), (48, 50, 49), (64, 48, 70)])
def test_it_agrees_with_monai(shape):
    """Which computes in single precision throughout: hence 2e-5."""
    first = smooth(1, shape)
    for second in (noisy(first, 0.02), noisy(first, 0.3), (first + smooth(2, shape)) / 2, 1 - first):
        assert ms_ssim(first, second) == pytest.approx(monai(second, first, scales_that_fit(min(shape))), rel=2e-5)


def test_five_scales_are_monais_default():
    first = smooth(1, (48, 50, 49))
    tensors = [torch.from_numpy(one)[None, None] for one in (noisy(first, 0.02), first)]
    expected = MultiScaleSSIMMetric(spatial_dims=3, kernel_size=3)(*tensors)
    assert ms_ssim(first, noisy(first, 0.02)) == pytest.approx(expected.item(), rel=1e-4)


def test_it_is_symmetric_and_falls_with_noise():
    first = smooth(3)
    assert ms_ssim(first, noisy(first, 0.1)) == ms_ssim(noisy(first, 0.1), first)
    found = [ms_ssim(first, noisy(first, sigma)) for sigma in (0.01, 0.05, 0.2, 1.0)]
    assert found == sorted(found, reverse=True)


def test_contradicting_structures_count_as_zero_and_never_below():
    assert ms_ssim(smooth(1), 1 - smooth(1)) == 0.0


def test_constant_volumes_differ_by_their_brightness_alone():
    dark, light = (np.full((12, 12, 12), value, dtype=np.float32) for value in (0.2, 0.8))
    assert ms_ssim(dark, dark) == pytest.approx(1, abs=1e-4)
    luminance = (2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)
    assert ms_ssim(dark, light) == pytest.approx(luminance ** (0.3001 / (0.0448 + 0.2856 + 0.3001)), rel=1e-3)


def test_a_volume_thinner_than_the_kernel_is_unavailable():
    with pytest.raises(Unavailable, match="3 voxels along each axis"):
        Pyramid.of(np.zeros((8, 8, 2), dtype=np.float32))
