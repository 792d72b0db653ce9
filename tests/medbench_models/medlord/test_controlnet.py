"""The ControlNet starts as nothing, learns alone, and sees masks at the resolution of latents."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared.codes import Latents
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.schedules import Discrete, cosine_alphas

SCHEDULE = Discrete(cosine_alphas(50))


def latents(count: int = 6, side: int = 4) -> Latents:
    chance = np.random.default_rng(0)
    return Latents(chance.integers(0, 16, (count, side, side, side)).astype(np.uint16), torch.randn(16, 8))


def steered(small: MedLoRDConfig) -> Steered:
    torch.manual_seed(0)
    return Steered(build_controlnet(small.network), build_unet(small.network.unet, 8))


def test_a_controlnet_that_is_not_trained_changes_nothing(small: MedLoRDConfig) -> None:
    network = steered(small)
    latent, steps, masks = torch.randn(2, 8, 4, 4, 4), torch.tensor([3, 40]), torch.rand(2, 2, 16, 16, 16).round()
    unet = network.unet
    torch.nn.init.normal_(unet.out[2].conv.weight)
    with torch.no_grad():
        assert torch.equal(network(latent, steps, masks), unet(latent, steps))


def test_stage_3_trains_the_controlnet_and_leaves_the_unet_as_it_is(small: MedLoRDConfig) -> None:
    network = steered(small)
    unet = network.unet
    torch.nn.init.normal_(unet.out[2].conv.weight)
    before = copy.deepcopy(unet.state_dict())
    labels = np.random.default_rng(1).integers(0, 3, (6, 16, 16, 16)).astype(np.uint8)
    examples = replace(latents(), labels=labels, regions=2)
    task = DiffusionTask(network, small.stage3, train=examples, select=examples, schedule=SCHEDULE, seed=0)
    task.setup(launch("cpu"))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    for index in range(3):
        task.step(index, task.load(index, Chance(0, index)))
    assert all(torch.equal(before[name], value) for name, value in unet.state_dict().items())
    assert all(name.startswith("controlnet.") for name in task.weights())
    assert any(not torch.equal(start[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", list(PRESETS))
def test_masks_are_embedded_at_the_latents_resolution(name: str) -> None:
    """The published ControlNet configuration shrinks masks by 4, and the published latents are 8 times smaller."""
    network = PRESETS[name].network
    assert network.controlnet is not None
    shrinks = network.controlnet.embedding_stride * 2 ** (len(network.controlnet.embedding_channels) - 1)
    assert shrinks == network.vqvae.factor
