"""What the three stages of training promise, on networks of a few channels."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from medbench.spec import Window
from medbench.training.loop import launch, step_chance
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_controlnet, build_unet, checkpoint_layers
from medbench_models.shared.codes import Latents
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.schedules import Discrete, cosine_alphas
from medbench_models.shared.vqgan import VqganTask

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
        task.step(index, step_chance(0, index))
    assert all(torch.equal(before[name], value) for name, value in unet.state_dict().items())
    assert all(name.startswith("controlnet.") for name in task.weights())
    assert any(not torch.equal(start[name], value) for name, value in network.state_dict().items())


@pytest.fixture
def volumes() -> np.ndarray:
    chance = np.random.default_rng(0)
    return np.cumsum(chance.normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000).astype(np.int16)


def test_every_stage_trains_in_bfloat16_with_weights_in_float32(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    # The coarsest level must be larger than 2 x 2 x 2: oneDNN in torch 2.14 reads memory nobody has written when it
    # computes gradients of 3 x 3 x 3 weights over so few voxels in bfloat16 on processors with AVX-512.
    codes = latents(side=8)
    labels = np.random.default_rng(1).integers(0, 3, (6, 32, 32, 32)).astype(np.uint8)
    examples = replace(codes, labels=labels, regions=2)
    unet = build_unet(small.network.unet, 8)
    tasks = [
        VqganTask(small.network.vqvae, small.stage1, window=Window(), train=volumes, select=volumes[:1], seed=0),
        DiffusionTask(unet, small.stage2, train=codes, select=codes, schedule=SCHEDULE, seed=0),
        DiffusionTask(steered(small), small.stage3, train=examples, select=examples, schedule=SCHEDULE, seed=0),
    ]
    for task in tasks:
        seen: set[torch.dtype] = set()
        task.setup(launch("cpu", "bf16-mixed"))
        network = task.vqvae if isinstance(task, VqganTask) else task.network
        for module in network.modules():
            if isinstance(module, torch.nn.Conv3d):
                module.register_forward_hook(lambda module, inputs, output, seen=seen: seen.add(output.dtype))
        for index in range(10):
            assert all(torch.isfinite(loss) for loss in task.step(index, step_chance(0, index)).values())
        assert torch.bfloat16 in seen
        assert {value.dtype for value in task.weights().values()} == {torch.float32}
        assert np.isfinite(task.validate()["score"])


def test_checkpointed_layers_have_the_same_outputs_and_gradients(small: MedLoRDConfig) -> None:
    torch.manual_seed(0)
    plain = build_unet(small.network.unet, 8)
    torch.nn.init.normal_(plain.out[2].conv.weight)
    frugal = copy.deepcopy(plain)
    checkpoint_layers(frugal)
    copied = copy.deepcopy(frugal)  # as the moving average does: it must call itself, not what it was copied from
    latent, steps = torch.randn(2, 8, 4, 4, 4), torch.tensor([3, 40])
    for network in (frugal, copied):
        network.zero_grad()
        plain.zero_grad()
        wanted, found = plain(latent, steps), network(latent, steps)
        torch.testing.assert_close(found, wanted)
        wanted.square().sum().backward()
        found.square().sum().backward()
        for (name, a), b in zip(plain.named_parameters(), network.parameters()):
            torch.testing.assert_close(b.grad, a.grad, msg=name)
