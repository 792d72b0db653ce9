"""What the training of a VQ-GAN promises, on networks of a few channels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case
from medbench.spec import Window
from medbench.training.chance import Chance, Samples
from medbench.training.loop import launch
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.shared.arrays import scaled
from medbench_models.shared.vqgan import VqganTask


@pytest.fixture
def volumes() -> np.ndarray:
    chance = np.random.default_rng(0)
    return np.cumsum(chance.normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000).astype(np.int16)


def test_passes_of_stage_1_have_the_gradient_of_their_mean(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    """Without codes and discriminator a pass depends on the crops alone, so that two of two crops are one of four."""

    def gradients(batch: int, accumulate: int) -> list[torch.Tensor]:
        config = small.stage1.model_copy(
            update={"batch": batch, "accumulate": accumulate, "crop": (16, 16, 16), "spectral_weight": 0.0}
        )
        task = VqganTask(small.network.vqvae, config, window=Window(), train=volumes, select=volumes[:1], seed=0)
        task.setup(launch("cpu"))
        crops = iter(scaled(volumes, small.network.window).split(batch))
        task.batch = lambda chance: next(crops)
        found: list[torch.Tensor] = []
        weights = list(task.vqvae.parameters())
        task.optimiser.step = lambda: found.extend(one.grad.clone() for one in weights if one.grad is not None)
        task.step(0, task.load(0, Chance(0, 0)))
        return found

    at_once, in_passes = gradients(4, 1), gradients(2, 2)
    assert len(at_once) == len(in_passes) > 0
    for a, b in zip(at_once, in_passes):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


class Difference(torch.nn.Module):
    """Takes the place of the perceptual loss, whose weights are not here and for which the crops are too small."""

    def forward(self, reconstruction: torch.Tensor, image: torch.Tensor, chance: Samples) -> torch.Tensor:
        del chance
        return (reconstruction - image).abs().mean()


def test_every_loss_it_has_is_logged(small: MedLoRDConfig, volumes: np.ndarray) -> None:
    config = small.stage1.model_copy(update={"perceptual_weight": 0.1, "crop": (16, 16, 16), "batch": 1})
    task = VqganTask(
        small.network.vqvae, config, window=Window(), train=volumes, select=volumes[:1], seed=0, perceptual=Difference()
    )
    task.setup(launch("cpu"))
    logged = [set(task.step(index, task.load(index, Chance(0, index)))) for index in range(10)]
    always = {"l1", "mse", "spectral", "commitment", "perceptual"}
    assert logged[0] == always
    assert logged[9] == always | {"adversarial", "discriminator"}


def test_the_phases_of_stage_1(small: MedLoRDConfig, make_cases: Callable[[str, int], list[Case]]) -> None:
    volumes = np.stack([case.read_volume().voxels for case in make_cases("train", 4)])
    task = VqganTask(small.network.vqvae, small.stage1, window=Window(), train=volumes, select=volumes[:1], seed=0)
    task.setup(launch("cpu"))
    logged = [task.step(index, task.load(index, Chance(0, index))) for index in range(10)]
    commitments = [float(losses["commitment"]) for losses in logged]
    assert commitments[:2] == [0.0, 0.0]  # a quarter of 10 steps, without codes
    assert min(commitments[2:]) > 0.0
    assert ["discriminator" in losses for losses in logged] == [False] * 7 + [True] * 3
    assert np.isfinite(task.validate()["score"])


def test_before_codes_are_in_use_no_weights_are_chosen(
    small: MedLoRDConfig, make_cases: Callable[[str, int], list[Case]]
) -> None:
    volumes = np.stack([case.read_volume().voxels for case in make_cases("train", 2)])
    task = VqganTask(small.network.vqvae, small.stage1, window=Window(), train=volumes, select=volumes[:1], seed=0)
    task.setup(launch("cpu"))
    task.step(0, task.load(0, Chance(0, 0)))
    assert task.validate()["score"] == float("inf")
