"""Slabs against whole volumes, at every cut that could show a seam."""

import math

import pytest
import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.vqvae import (
    Vqvae,
    activation_bytes,
    decode,
    encode,
    halo,
    slabs,
    slabs_needed,
    through,
)

DS4 = VqvaeConfig(channels=(4, 8), res_layers=2, codebook_size=32)
DS8 = VqvaeConfig(channels=(4, 6, 8), res_layers=2, codebook_size=32)
TINY = VqvaeConfig(channels=(4, 8), res_layers=1, codebook_size=32)
CONFIGS = pytest.mark.parametrize("config", [DS4, DS8, TINY], ids=["ds4", "ds8", "one residual unit"])
POSITIONS = 26
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def lively(config: VqvaeConfig) -> torch.nn.Module:
    """A VQ-VAE whose convolutions pass on what they see over their whole neighbourhood: positive, nothing cut off."""
    vqvae = Vqvae(config).eval()
    chance = torch.Generator().manual_seed(0)
    for value in vqvae.parameters():
        if value.ndim == 5:
            value.data = torch.rand(value.shape, generator=chance) * 4.0 / value[0].numel()
    return vqvae


def latent(config: VqvaeConfig) -> torch.Tensor:
    return torch.rand(1, 8, POSITIONS, 2, 3, generator=torch.Generator().manual_seed(1))


def image(config: VqvaeConfig) -> torch.Tensor:
    shape = [config.factor * size for size in (POSITIONS, 2, 1)]
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(2))


@CONFIGS
@pytest.mark.parametrize("count", [1, 2, 3, 5, 13, 26, 40])
@torch.no_grad()
def test_slabs_decode_as_the_whole(config: VqvaeConfig, count: int) -> None:
    vqvae = lively(config)
    whole = vqvae.decode(latent(config))
    assert whole.std() > 1e-3
    torch.testing.assert_close(decode(vqvae, latent(config), count=count), whole, **TOLERANCE)


@CONFIGS
@pytest.mark.parametrize("count", [1, 2, 3, 5, 13, 26])
@torch.no_grad()
def test_slabs_encode_as_the_whole(config: VqvaeConfig, count: int) -> None:
    vqvae = lively(config)
    whole, found = vqvae.encode(image(config)), encode(vqvae, image(config), count=count)
    torch.testing.assert_close(found, whole, **TOLERANCE)
    indices = [vqvae.codebook(one)[2] for one in (whole, found)]
    assert torch.equal(*indices)


@CONFIGS
@torch.no_grad()
def test_with_untrained_weights_too(config: VqvaeConfig) -> None:
    vqvae = Vqvae(config).eval()
    torch.testing.assert_close(through(vqvae, image(config), count=3), vqvae(image(config))[0], **TOLERANCE)


@CONFIGS
@torch.no_grad()
def test_the_halo_is_as_wide_as_it_must_be_and_no_wider(config: VqvaeConfig) -> None:
    """One position less on either side, and both directions show a seam."""
    vqvae = lively(config).double()
    positions, centre, margin = 40, 20, halo(config)
    codes = torch.rand(1, 8, positions, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    part = slice(centre * config.factor, (centre + 1) * config.factor)
    whole = vqvae.decode(codes)[:, :, part]
    volume = vqvae.decode(codes)
    inner = vqvae.encode(volume)[:, :, centre]

    def differences(width: int) -> tuple[float, float]:
        start = (centre - width) * config.factor
        cut = vqvae.decode(codes[:, :, centre - width : centre + width + 1])
        seen = volume[:, :, start : (centre + width + 1) * config.factor]
        decoded = cut[:, :, width * config.factor : (width + 1) * config.factor] - whole
        return float(decoded.abs().max()), float((vqvae.encode(seen)[:, :, width] - inner).abs().max())

    assert max(differences(margin)) < 1e-14
    assert min(differences(margin - 1)) > 0.0


def test_the_halos_of_the_presets() -> None:
    assert {name: halo(config.network.vqvae) for name, config in PRESETS.items()} == {
        "tiny": 5,
        "luna-ds8": 9,
        "paper": 8,
    }


@pytest.mark.parametrize(("positions", "count"), [(26, 4), (5, 5), (3, 7), (64, 1)])
def test_slabs_cover_the_axis_once(positions: int, count: int) -> None:
    cut = slabs(positions, count, 4)
    assert [position for slab in cut for position in range(*slab.kept)] == list(range(positions))
    assert all(slab.seen[0] == max(0, slab.kept[0] - 4) for slab in cut)
    assert all(slab.seen[1] == min(positions, slab.kept[1] + 4) for slab in cut)


def test_more_slabs_for_less_memory() -> None:
    shape, config = (512, 512, 256), PRESETS["luna-ds8"].network.vqvae
    needed = [slabs_needed(config, shape, itemsize=2, limit_bytes=gib * 2**30) for gib in (24, 7, 5, 4, 3)]
    assert needed[0] == 1
    assert needed == sorted(needed)
    assert len(set(needed)) > 2
    assert slabs_needed(config, shape, itemsize=2, limit_bytes=0) == 64
    assert slabs_needed(config, shape, itemsize=4, limit_bytes=math.inf) == 1
    assert slabs_needed(config, shape, itemsize=4, limit_bytes=8 * 2**30) > needed[1]


def test_slabs_fit_beside_what_is_there_with_the_margin_of_a_prediction() -> None:
    shape, config, kept = (512, 512, 256), PRESETS["luna-ds8"].network.vqvae, 2**30
    for limit in (8 * 2**30, 12 * 2**30):
        count = slabs_needed(config, shape, itemsize=4, limit_bytes=limit, kept_bytes=kept)
        held = activation_bytes(config, shape, itemsize=4, count=count)
        assert Prediction(held + kept, ()).peak_bytes <= limit
    assert slabs_needed(config, shape, itemsize=4, limit_bytes=12 * 2**30) < count


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ["luna-ds8", "paper"])
def test_the_formula_is_what_the_code_holds(name: str, count: int) -> None:
    config = PRESETS[name].network.vqvae
    shape = (512, 256, 256)
    held = 4 * sum(value.numel() for value in build_small(config))

    def run() -> None:
        with torch.no_grad():
            codes = torch.empty(1, 8, *(size // config.factor for size in shape))
            decode(Vqvae(config).eval(), codes, count=count)

    wanted = activation_bytes(config, shape, itemsize=4, count=count)
    assert predict_peak(run).tensor_bytes - held == pytest.approx(wanted, rel=0.1)


def build_small(config: VqvaeConfig) -> list[torch.Tensor]:
    with torch.device("meta"):
        vqvae = Vqvae(config)
    return [*vqvae.parameters(), *vqvae.buffers()]
