"""What the training of a KL autoencoder as a GAN promises, on a network of a few channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medbench.spec import Window
from medbench.training.chance import Chance
from medbench.training.loop import launch
from medbench_models.shared.config import KlganConfig
from medbench_models.shared.klgan import KlAutoencoder, KlganTask, divergence


class Halved(torch.nn.Module):
    """A KL autoencoder of one convolution each way."""

    latent_channels = 2
    factor = 2

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.Conv3d(1, 2, 2, stride=2)
        self.up = torch.nn.ConvTranspose3d(2, 1, 2, stride=2)

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.down(image)
        return mean, torch.full_like(mean, 0.1)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.up(latent)
        return found


def through(network: KlAutoencoder, image: torch.Tensor) -> torch.Tensor:
    return network.decode(network.encode(image)[0])


@pytest.fixture
def task() -> KlganTask:
    volumes = np.cumsum(np.random.default_rng(0).normal(0, 120, (4, 16, 16, 16)), axis=1).clip(-1000, 1000)
    config = KlganConfig(
        steps=8, batch=2, crop=(16, 16, 8), rate=1e-2, spectral_weight=0.0, perceptual_weight=0.0,
        adversarial_from=0.5, adversarial_ramp=0.1, adversarial_weight=0.1, discriminator_channels=4,
        discriminator_layers=1, discriminator_rate=1e-3, precision="32-true",
    )  # fmt: skip
    voxels = volumes.astype(np.int16)
    made = KlganTask(Halved, config, through=through, window=Window(), train=voxels, select=voxels[:2], seed=0)
    made.setup(launch("cpu"))
    return made


def test_its_losses_and_phases(task: KlganTask) -> None:
    logged = [set(task.step(index, task.load(index, Chance(0, index)))) for index in range(8)]
    assert logged[0] == {"l1", "mse", "kl"}
    assert logged[7] == {"l1", "mse", "kl", "adversarial", "discriminator"}


def test_it_learns_and_its_weights_are_the_autoencoders(task: KlganTask) -> None:
    before = task.validate()["psnr"]
    for index in range(8):
        task.step(index, task.load(index, Chance(0, index)))
    after = task.validate()
    assert after["psnr"] > before
    assert after["score"] == -after["psnr"]
    assert task.weights().keys() == Halved().state_dict().keys()


def test_a_step_leaves_nothing_to_global_chance(task: KlganTask) -> None:
    torch.manual_seed(1)
    first = task.passed(task.batch(Chance(0, 0).batches(2)[0]), Chance(0, 1).batches(2)[0])[0]
    torch.manual_seed(2)
    second = task.passed(task.batch(Chance(0, 0).batches(2)[0]), Chance(0, 1).batches(2)[0])[0]
    assert torch.equal(first, second)


def test_divergence_is_summed_over_a_latent() -> None:
    mean, deviation = torch.ones(3, 2, 1, 1, 5), torch.full((3, 2, 1, 1, 5), 2.0)
    wanted = 10 * 0.5 * (1.0 + 4.0 - np.log(4.0) - 1.0)
    assert float(divergence(mean, deviation)) == pytest.approx(wanted, rel=1e-6)
