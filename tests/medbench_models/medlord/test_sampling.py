"""Sampling in half precision: on a GPU float16; here bfloat16 stands for it, which the CPU's kernels have."""

import copy

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.imaging.volume import LabelMap
from medbench_models.medlord import sampling
from medbench_models.medlord.checkpoint import Loaded, load
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.generator import MedLoRD
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.condition_embedding import ConditionEmbedding

CONFIG = PRESETS["tiny"].sampling.model_copy(update={"steps": 8})


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(MedLoRD("tiny", device="cpu").default_checkpoint(), PRESETS["tiny"].network, "cpu")


@pytest.fixture(scope="module")
def halved(shipped: Loaded) -> Loaded:
    unet, controlnet = (copy.deepcopy(network).to(torch.bfloat16) for network in (shipped.unet, shipped.controlnet))
    return Loaded(shipped.vqvae, unet, controlnet, shipped.description)


@pytest.fixture(scope="module")
def label_map() -> LabelMap:
    read = PhantomDataset().cases("test")[0].read_label_map
    assert read is not None
    return read()


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - wanted).mean())


@pytest.mark.parametrize("steered", [False, True])
def test_halved_weights_sample_what_autocast_samples(
    shipped: Loaded, halved: Loaded, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch, steered: bool
) -> None:
    condition = label_map if steered else None
    wanted, found = (
        sampling.sample(networks, 7, CONFIG, device="cpu", condition=condition).voxels for networks in (shipped, halved)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = sampling.sample(shipped, 7, CONFIG, device="cpu", condition=condition).voxels
    other = sampling.sample(shipped, 8, CONFIG, device="cpu", condition=condition).voxels
    assert difference(found, wanted) < 2 * difference(autocast, wanted)
    assert difference(found, autocast) < 0.5 * difference(other, wanted)


def test_no_layer_of_halved_networks_computes_in_float32(halved: Loaded) -> None:
    """The kernels of norms and attention sum in float32 inside; what they read and write is half as large."""
    seen = set()
    networks = (halved.unet, halved.controlnet)
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
        for network in networks
        for module in network.modules()
        if isinstance(module, torch.nn.Conv3d | torch.nn.GroupNorm | torch.nn.SiLU | torch.nn.Linear)
    ]
    sampling.sample(halved, 7, CONFIG, device="cpu")
    for hook in hooks:
        hook.remove()
    assert seen == {torch.bfloat16}


def test_masks_are_embedded_once_for_all_steps(
    shipped: Loaded, label_map: LabelMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    embed = ConditionEmbedding.forward

    def counted(self: ConditionEmbedding, masks: torch.Tensor) -> torch.Tensor:
        calls.append(masks.shape)
        return embed(self, masks)

    monkeypatch.setattr(ConditionEmbedding, "forward", counted)
    sampling.sample(shipped, 7, CONFIG, device="cpu", condition=label_map)
    assert len(calls) == 1


@torch.no_grad()
def test_masks_embedded_before_steer_like_masks(shipped: Loaded) -> None:
    chance = torch.Generator().manual_seed(0)
    latent = torch.randn(1, 8, 16, 16, 8, generator=chance)
    masks = torch.randint(2, (1, len(shipped.controlnet.embedding.conv_in.weight[0]), 64, 64, 32), generator=chance)
    steps, steered = torch.tensor([100]), Steered(shipped.controlnet, shipped.unet)
    embedded = shipped.controlnet.embedding(masks.float())
    assert torch.equal(steered.velocity(latent, steps, embedded), steered(latent, steps, masks.float()))
