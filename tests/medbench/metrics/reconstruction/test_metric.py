import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medbench.errors import Unavailable
from medbench.features.lpips import load_lpips
from medbench.imaging.volume import Volume
from medbench.metrics.reconstruction.metric import Reconstruction, ms_ssim, psnr
from medbench.spec import Window

SHAPE = (32, 34, 36)


def smooth_volume(seed, shape=SHAPE):
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    a, b, c = rng.uniform(1, 3, 3)
    return (600 * np.sin(a * x + b * y) * np.cos(c * z)).astype(np.float32)


def noisy(hu, sigma, seed=0):
    return (hu + np.random.default_rng(seed).normal(0, sigma, hu.shape)).astype(np.float32)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", raising=False)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(pairs, *, subjects=None, **protocol):
        held_out = make_side(len(pairs), pairs=[(Volume(a), Volume(b)) for a, b in pairs], subjects=subjects)
        return Reconstruction().measure(make_evidence(make_side(0), make_side(0), held_out=held_out, **protocol))

    return measured


@pytest.fixture
def alexnet(tmp_path):
    """AlexNet's layers with seeded weights, in the file that torchvision publishes."""
    torch.manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    state = {f"features.{layer}.weight": 0.05 * torch.randn(shape) for layer, shape in shapes.items()}
    state |= {f"features.{layer}.bias": torch.zeros(shape[0]) for layer, shape in shapes.items()}
    torch.save(state, tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def test_psnr_of_a_known_error():
    """An error of 20 HU everywhere in a window of 2000 HU: 20 log10(100) = 40 dB."""
    zero = np.zeros((4, 4, 4), dtype=np.float32)
    assert psnr(real=zero, reconstructed=zero + np.float32(0.01)) == pytest.approx(40, rel=1e-5)
    assert psnr(real=zero, reconstructed=zero) == float("inf")


def test_psnr_refers_to_the_windows_width(measure):
    pairs = [(smooth_volume(seed), smooth_volume(seed) + np.float32(20)) for seed in range(4)]
    assert measure(pairs).value == pytest.approx(40, abs=0.01)
    half = measure(pairs, window=Window(low=-600, high=400))
    assert half.value == pytest.approx(20 * np.log10(50), abs=0.7)  # some of the error is clipped


@pytest.mark.parametrize("axis", [3, 6, 12, 27, 48])
def test_smallest_axis_of_each_number_of_scales_works(axis):
    real = smooth_volume(0, (axis, axis + 1, axis)) / 2000 + np.float32(0.5)
    assert ms_ssim(real=real, reconstructed=real) == pytest.approx(1, abs=1e-5)


def test_ms_ssim_of_five_scales_is_monais_default():
    from monai.metrics import MultiScaleSSIMMetric

    real = smooth_volume(1, (48, 50, 49)) / 2000 + np.float32(0.5)
    again = noisy(real, 0.02)
    expected = MultiScaleSSIMMetric(spatial_dims=3, kernel_size=3)(
        *(torch.from_numpy(v)[None, None] for v in (again, real))
    )
    assert ms_ssim(real=real, reconstructed=again) == pytest.approx(expected.item(), rel=1e-4)


def test_worse_reconstructions_score_worse(measure):
    volumes = [smooth_volume(seed) for seed in range(5)]
    good, bad = (measure([(hu, noisy(hu, sigma)) for hu in volumes]) for sigma in (10, 60))
    assert good.value > bad.value
    assert good.parts["ms_ssim"]["mean"] > bad.parts["ms_ssim"]["mean"]


def test_result_carries_spread_scales_interval_and_table(measure):
    found = measure([(smooth_volume(seed), noisy(smooth_volume(seed), 10 + 5 * seed, seed)) for seed in range(6)])
    assert found.value == found.parts["psnr"]["mean"] == pytest.approx(found.table["psnr"].mean())
    assert found.parts["psnr"]["std"] == pytest.approx(found.table["psnr"].std())
    assert found.parts["ms_ssim"]["scales"] == 4
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.ci_method == "t interval of the mean over subjects"
    assert list(found.table["id"]) == [f"v{index:03}" for index in range(6)]


def test_a_subject_counts_once_however_many_volumes_it_has(measure):
    pairs = [(smooth_volume(seed), noisy(smooth_volume(seed), 10 if seed < 4 else 60, seed)) for seed in range(8)]
    found = measure(pairs, subjects=["a", "a", "a", "a", "b", "c", "d", "e"])
    psnr = found.table["psnr"]
    assert found.value == pytest.approx(np.mean([psnr[:4].mean(), *psnr[4:]]))
    assert found.value == pytest.approx(np.mean(found.ci95)) == found.parts["psnr"]["mean"]


def test_one_case_has_a_value_but_neither_spread_nor_interval(measure):
    found = measure([(smooth_volume(0), noisy(smooth_volume(0), 10))])
    assert found.ci95 is None
    assert "std" not in found.parts["psnr"]


def test_lpips_without_weights_is_absent_with_the_reason(measure):
    found = measure([(smooth_volume(0), noisy(smooth_volume(0), 10))])
    assert "lpips" not in found.parts
    assert "MEDBENCH_WEIGHTS_LPIPS_ALEXNET" in found.skipped["lpips"]


def test_lpips_with_weights(measure, alexnet, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", str(alexnet))
    small, large = (measure([(smooth_volume(0), noisy(smooth_volume(0), sigma))]) for sigma in (10, 80))
    assert small.skipped == {}
    assert 0 < small.parts["lpips"]["mean"] < large.parts["lpips"]["mean"]


def test_lpips_takes_the_backbones_weights_and_is_zero_for_equal_volumes(alexnet, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", str(alexnet))
    lpips = load_lpips()
    published = torch.load(alexnet, weights_only=True)
    assert torch.equal(lpips.network.features[6].weight, published["features.6.weight"])
    unit = smooth_volume(0) / 2000 + np.float32(0.5)
    assert lpips(unit, unit, planes=("xy", "yz", "zx")) == 0


def test_slices_too_small_for_lpips_are_noted(measure, alexnet, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", str(alexnet))
    hu = smooth_volume(0, (32, 32, 24))
    found = measure([(hu, noisy(hu, 10))] * 2)
    assert "lpips" not in found.parts
    assert "too small" in found.skipped["lpips"]


def test_one_volume_too_small_for_lpips_leaves_it_out_for_all(measure, alexnet, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", str(alexnet))
    large, small = smooth_volume(0), smooth_volume(1, (32, 32, 24))
    found = measure([(large, noisy(large, 10)), (small, noisy(small, 10))])
    assert "lpips" not in found.parts and "lpips" not in found.table
    assert "too small" in found.skipped["lpips"]


def test_no_held_out_split_is_unavailable(make_side, make_evidence):
    with pytest.raises(Unavailable, match="no held-out split"):
        Reconstruction().measure(make_evidence(make_side(0), make_side(0)))


def test_a_copy_is_no_reconstruction(measure):
    with pytest.raises(Unavailable, match="v000 equals the volume"):
        measure([(smooth_volume(0), smooth_volume(0))])


def test_ms_ssim_drops_the_last_plane_of_odd_sizes_where_others_pad():
    """The figures of docs/metrics/reconstruction.md."""
    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.normal(size=(33,) * 3), 2)
    real = ((real - real.min()) / np.ptp(real)).astype(np.float32)
    made = np.clip(real + 0.05 * rng.normal(size=real.shape), 0, 1).astype(np.float32)
    made[-1] = 0.0
    assert ms_ssim(real=real, reconstructed=made) == pytest.approx(0.952, abs=1e-3)
    even = [np.pad(one, (0, 1), mode="edge") for one in (real, made)]
    assert ms_ssim(real=even[0], reconstructed=even[1]) == pytest.approx(0.932, abs=1e-3)
