"""A KL autoencoder trained as a GAN on random crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.spec import Window
from medbench.training.averaging import seeded
from medbench.training.chance import Samples
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import KlganConfig
from medbench_models.shared.gan import GanTask, nothing_of, rehearse, unweighted_perceptual


class KlAutoencoder(Protocol):
    """MONAI's AutoencoderKL and what follows it; a module besides."""

    latent_channels: int
    factor: int  # of compression along each axis

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and standard deviation of the latent (n, c, x / factor, ...) of an image (n, 1, x, y, z)."""

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the image of a latent."""


def as_positive(image: torch.Tensor) -> torch.Tensor:
    """Map -1..1 to the 0..1 that KL autoencoders are given."""
    return (image + 1.0) / 2.0


def as_signed(image: torch.Tensor) -> torch.Tensor:
    """Map 0..1 back to -1..1."""
    return 2.0 * image - 1.0


def divergence(mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of latents from the standard normal distribution, summed over each, the mean over all.

    Args:
        mean: (n, c, x, y, z).
        deviation: (n, c, x, y, z), positive.

    Source: Kingma and Welling 2014 (arXiv 1312.6114), appendix B.

    >>> float(divergence(torch.zeros(2, 4, 1, 1, 1), torch.ones(2, 4, 1, 1, 1)))
    0.0
    """
    mean, variance = mean.float(), deviation.float().square()
    return 0.5 * (mean.square() + variance - variance.log() - 1.0).flatten(1).sum(dim=1).mean()


class _Drawn(torch.nn.Module):
    """An autoencoder whose chance comes from outside."""

    def __init__(self, autoencoder: KlAutoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, image: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the reconstruction in -1..1 and the divergence; ``noise`` has the latent's shape."""
        mean, deviation = self.autoencoder.encode(as_positive(image))
        reconstruction = as_signed(self.autoencoder.decode(mean + deviation * noise))
        return reconstruction, divergence(mean, deviation)


class KlganTask(GanTask[KlganConfig]):
    """Training of a KL autoencoder on latents that are drawn anew in each step.

    Args:
        build: returns the autoencoder; its chance is the seed's.
        config: training settings.
        through: passes a whole image in 0..1 through the autoencoder, by the latent's mean.
        window: of the HU.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        seed: of the initial weights.
        perceptual: the perceptual loss of images, reconstructions and their chance; None where it weighs nothing.
    """

    def __init__(
        self,
        build: Callable[[], KlAutoencoder],
        config: KlganConfig,
        *,
        through: Callable[[KlAutoencoder, torch.Tensor], torch.Tensor],
        window: Window,
        train: np.ndarray,
        select: np.ndarray,
        seed: int,
        perceptual: torch.nn.Module | None = None,
    ) -> None:
        with seeded(seed):
            network = build()
            super().__init__(_Drawn(network), config, window=window, train=train, select=select, perceptual=perceptual)
        self.network = network
        self.align = network.factor
        self._through = through
        if config.checkpointing:
            checkpoint_activations([*network.encoder.blocks, *network.decoder.blocks])

    def passed(
        self, image: torch.Tensor, chance: Samples
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float]]:
        """Return reconstruction and divergence; see ``GanTask``."""
        places = [size // self.align for size in image.shape[2:]]
        noise = chance.normal(self.network.latent_channels, *places).to(image)
        reconstruction, kl = self.net(image, noise)
        return reconstruction, {"kl": kl}, {"kl": self.config.kl_weight}

    def through(self, image: torch.Tensor) -> torch.Tensor:
        """Return an image after the autoencoder."""
        return as_signed(self._through(self.network, as_positive(image)))

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the autoencoder's state."""
        return dict(self.network.state_dict())


def step_klgan(build: Callable[[], KlAutoencoder], config: KlganConfig, fabric: Rehearsal | Fabric) -> KlganTask:
    """Rehearse a training, see ``gan.rehearse``; return it.

    Args:
        build: returns the autoencoder.
        config: training settings.
        fabric: a rehearsal, or the real one.
    """
    nothing, perceptual = nothing_of(config), unweighted_perceptual(config)
    task = KlganTask(
        build, config, through=lambda network, image: image, window=Window(), train=nothing, select=nothing, seed=0,
        perceptual=perceptual,
    )  # fmt: skip
    rehearse(task, fabric)
    return task
