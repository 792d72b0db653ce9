"""What the three stages of training promise, on networks of a few channels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medbench.spec import Window
from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.controlnet import Steered
from medbench_models.medlord.networks import build_controlnet, build_unet
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
            assert all(torch.isfinite(loss) for loss in task.step(index, task.load(index, Chance(0, index))).values())
        assert torch.bfloat16 in seen
        assert {value.dtype for value in task.weights().values()} == {torch.float32}
        assert np.isfinite(task.validate()["score"])
