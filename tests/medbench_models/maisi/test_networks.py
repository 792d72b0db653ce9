"""The networks compute what MONAI's own classes do, and what these do without an error, losing rows, is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi

from medbench.errors import DataError
from medbench_models.maisi.config import MaisiConfig, NetworkConfig
from medbench_models.maisi.labels import bits_of
from medbench_models.maisi.networks import (
    Autoencoder,
    Denoiser,
    Steered,
    build_controlnet,
    build_trained,
    require_exact_splits,
    splits_are_exact,
)
from medbench_models.maisi.presets import PRESETS

Golden = Callable[[str], dict[str, torch.Tensor]]
Fill = Callable[[torch.nn.Module, str], torch.nn.Module]
Network = Callable[[str], NetworkConfig]


def close(found: torch.Tensor, wanted: torch.Tensor, *, within: float = 1e-4) -> None:
    torch.testing.assert_close(found, wanted, atol=within, rtol=0)


@torch.no_grad()
def test_the_autoencoder(golden: Golden, fill_golden: Fill, golden_network: Network) -> None:
    autoencoder = fill_golden(Autoencoder(golden_network("rflow").autoencoder), "autoencoder")
    wanted = golden("autoencoder.npz")
    mean, deviation = autoencoder.encode(wanted["x"])
    close(mean, wanted["mu"])
    close(deviation, wanted["sigma"])
    close(autoencoder.decode(wanted["z"]), wanted["decode_z"])


@torch.no_grad()
@pytest.mark.parametrize("splits", [2, 4])
def test_parts_change_nothing(golden: Golden, fill_golden: Fill, golden_network: Network, splits: int) -> None:
    autoencoder = fill_golden(Autoencoder(golden_network("rflow").autoencoder), "autoencoder")
    wanted = golden("autoencoder.npz")
    autoencoder.split(splits)
    close(autoencoder.encode(wanted["x"])[0], wanted["mu"])
    close(autoencoder.decode(wanted["z"]), wanted["decode_z"])


@torch.no_grad()
@pytest.mark.parametrize("process", ["ddpm", "rflow"])
def test_the_unet_and_what_it_is_told(
    golden: Golden, fill_golden: Fill, golden_network: Network, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = Denoiser(golden_network(process))
    fill_golden(denoiser.unet, f"{process}_unet")
    wanted = {name.removeprefix(f"{process}/"): one for name, one in golden("networks.npz").items()}
    spacing, regions = wanted["spacing_tensor"] / 100, torch.tensor([[1, 2]])
    for index in range(3):
        found = denoiser(wanted["x"], wanted[f"t_{index}"], spacing, regions)
        close(found, wanted[f"out_{index}"])
    close(denoiser(wanted["x"], wanted["t_1"], 2 * spacing, regions), wanted["out_1_spacing_x2"])
    if process == "rflow":
        monkeypatch.setattr("medbench_models.maisi.networks.CT", 0)
        close(denoiser(wanted["x"], wanted["t_1"], spacing, regions), wanted["out_1_class0"])


@torch.no_grad()
@pytest.mark.parametrize("process", ["ddpm", "rflow"])
def test_the_controlnet_steers(golden: Golden, fill_golden: Fill, golden_network: Network, process: str) -> None:
    network = golden_network(process)
    denoiser, controlnet = Denoiser(network), build_controlnet(network)
    fill_golden(denoiser.unet, f"{process}_unet")
    fill_golden(controlnet, f"{process}_controlnet")
    steered = Steered(controlnet, denoiser)
    wanted = {name.removeprefix(f"{process}/"): one for name, one in golden("networks.npz").items()}
    told = wanted["spacing_tensor"] / 100, torch.tensor([[1, 2]])
    bits = bits_of(wanted["label"][:, 0])
    found = steered(wanted["x"], wanted["t_1"], *told, bits)
    close(found, wanted["out_1_controlled"])
    embedded = steered.without_embedding()(bits)
    close(steered(wanted["x"], wanted["t_1"], *told, embedded), found, within=1e-6)


def test_the_published_sizes() -> None:
    """Numbers of parameters and of tensors, as published."""

    def size(network: torch.nn.Module) -> tuple[int, int]:
        return sum(value.numel() for value in network.parameters()), len(network.state_dict())

    with torch.device("meta"):
        for name in ("paper", "ddpm", "rflow"):
            network = PRESETS[name].network
            assert size(Autoencoder(network.autoencoder)) == (20_944_897, 130)
            second = network.process == "rflow"
            assert size(Denoiser(network).unet) == ((180_500_868, 435) if second else (169_370_884, 372))
            assert size(build_controlnet(network))[0] == (72_037_072 if second else 68_644_944)


def test_the_published_names() -> None:
    """The norms are PyTorch's, and nothing else is."""
    config = PRESETS["tiny"].network.autoencoder
    theirs = AutoencoderKlMaisi(
        3, 1, 1, config.res_blocks, config.channels, [False] * 3, norm_num_groups=config.norm_groups,
        latent_channels=4, with_encoder_nonlocal_attn=False, with_decoder_nonlocal_attn=False, num_splits=1,
    )  # fmt: skip
    ours = Autoencoder(config)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.rand(1, 1, 16, 16, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        close(ours.encode(image)[0], theirs.encode(image)[0], within=1e-5)


@pytest.mark.parametrize("splits", [2, 4])
@pytest.mark.parametrize("length", [16, 24, 32, 40, 48, 56, 60, 64])
def test_only_what_loses_rows_or_raises_is_refused(small: MaisiConfig, length: int, splits: int) -> None:
    """MONAI raises for parts too thin, and gives too few rows for others without a word."""
    autoencoder = Autoencoder(small.network.autoencoder).eval()
    autoencoder.split(splits)
    try:
        with torch.no_grad():
            mean, _ = autoencoder.encode(torch.zeros(1, 1, 8, length, 8))
            whole = autoencoder.decode(torch.zeros(1, 4, 2, length // 4, 2)).shape[3] == length
        kept = whole and mean.shape[3] == length // 4
    except (RuntimeError, ZeroDivisionError):
        kept = False
    assert splits_are_exact(length, splits, factor=4) == kept


def test_the_refusal_says_how_many_parts_are_possible() -> None:
    require_exact_splits(320, 2, factor=4)
    with pytest.raises(DataError, match=r"60 voxels along y .* 4 parts \(num_splits\) without losing rows: take 3"):
        require_exact_splits(60, 4, factor=4)


def test_a_controlnet_begins_with_the_unets_encoder(small: MaisiConfig) -> None:
    torch.manual_seed(0)
    unet = Denoiser(small.network).unet
    steered = build_trained(small.network, small.stage3, unet.state_dict())
    assert isinstance(steered, Steered)
    controlnet = steered.controlnet.state_dict()
    assert torch.equal(controlnet["conv_in.conv.weight"], unet.conv_in.conv.weight)
    assert not controlnet["controlnet_mid_block.conv.weight"].any()
    assert all(not value.requires_grad for value in steered.denoiser.parameters())
    assert all(name.startswith("controlnet.") for name, _ in steered.named_parameters())


def test_checkpointed_layers_have_the_same_gradients(small: MaisiConfig) -> None:
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        config = small.stage2.model_copy(update={"checkpointing": checkpointing})
        denoiser = build_trained(small.network, config, None)
        torch.nn.init.ones_(denoiser.unet.out[2].conv.weight)
        latent = torch.randn(1, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1))
        told = torch.tensor([500.0]), torch.ones(1, 3), torch.tensor([[1, 1]])
        denoiser(latent, *told).square().sum().backward()
        found.append([value.grad for value in denoiser.parameters() if value.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
