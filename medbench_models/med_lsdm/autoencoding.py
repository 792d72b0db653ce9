"""Stage 1 of Med-LSDM: its VQ-GAN, trained against two discriminators."""

from __future__ import annotations

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.spec import Window
from medbench.training.averaging import seeded
from medbench.training.chance import Samples
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.rehearsal import Rehearsal
from medbench_models.med_lsdm import windows
from medbench_models.med_lsdm.config import FACTOR, AutoencoderConfig, AutoencoderTraining
from medbench_models.med_lsdm.discriminators import Discriminators, feature_loss, hinge_loss
from medbench_models.med_lsdm.layers import depth_first, depth_last
from medbench_models.med_lsdm.vqgan import Decoder, VqGan
from medbench_models.shared.gan import Seen, nothing_of, rehearse, unweighted_perceptual
from medbench_models.shared.nearest import nearest_codes, one_chunk
from medbench_models.shared.vqgan import QuantisedTask


class AutoencoderTask(QuantisedTask[AutoencoderTraining]):
    """Training of the VQ-GAN.

    Args:
        network: architecture, with a decoder that no label map steers.
        config: training settings.
        window: of the HU.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        seed: of the initial weights.
        perceptual: the perceptual loss of images, reconstructions and their chance; None where it weighs nothing.
    """

    align = FACTOR

    def __init__(
        self,
        network: AutoencoderConfig,
        config: AutoencoderTraining,
        *,
        window: Window,
        train: np.ndarray,
        select: np.ndarray,
        seed: int,
        perceptual: torch.nn.Module | None = None,
    ) -> None:
        with seeded(seed):
            self.vqgan = VqGan(network, classes=0)
            super().__init__(self.vqgan, config, window=window, train=train, select=select, perceptual=perceptual)
        self.codebook = self.vqgan.codebook
        self.dead_below = config.restart_below
        if config.checkpointing:
            assert isinstance(self.vqgan.decoder, Decoder)
            blocks = (*self.vqgan.encoder.conv_blocks, *self.vqgan.decoder.conv_blocks)
            checkpoint_activations(layer for block in blocks for layer in block.values())

    def build_critic(self) -> Discriminators:
        """Return the discriminators of crops and of slices."""
        return Discriminators(self.config.discriminator_channels, self.config.discriminator_layers)

    def passed(
        self, image: torch.Tensor, chance: Samples
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float]]:
        """Return reconstruction and commitment loss; see ``GanTask``."""
        del chance
        reconstruction, commitment = self.net(depth_first(image))
        weights = {"l1": self.config.l1_weight, "commitment": 1.0}
        return depth_last(reconstruction), {"commitment": commitment}, weights

    def encoded(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latents of crops."""
        return self.vqgan.encode(depth_first(image))

    def through(self, image: torch.Tensor) -> torch.Tensor:
        """Return an image after the VQ-GAN."""
        return windows.through(self.vqgan, image)

    def taught(self, image: torch.Tensor, reconstruction: torch.Tensor, chance: Samples) -> dict[str, torch.Tensor]:
        """Return the verdicts on a reconstruction and the match of the discriminators' features."""
        slices = self._slices(image, chance)
        fakes, reals = self.critic(depth_first(reconstruction), slices), self.critic(depth_first(image), slices)
        verdicts = {f"{name}_verdict": -fake[-1].mean() for name, fake in zip(("slice", "volume"), fakes)}
        features = torch.stack([feature_loss(real, fake) for real, fake in zip(reals, fakes)]).sum()
        return {**verdicts, "features": self.config.feature_weight * features}

    def judged(self, made: Seen, chance: Samples) -> torch.Tensor:
        """Return the loss of both discriminators."""
        slices = self._slices(made.image, chance)
        fakes, reals = (self.critic(depth_first(one), slices) for one in (made.reconstruction, made.image))
        return torch.stack([hinge_loss(real[-1], fake[-1]) for real, fake in zip(reals, fakes)]).sum()

    @staticmethod
    def _slices(image: torch.Tensor, chance: Samples) -> torch.Tensor:
        return chance.integers(image.shape[-1]).to(image.device)


def step_autoencoder(
    network: AutoencoderConfig, config: AutoencoderTraining, fabric: Rehearsal | Fabric
) -> AutoencoderTask:
    """Rehearse a training, see ``gan.rehearse``; return it.

    Args:
        network: architecture.
        config: training settings.
        fabric: a rehearsal, or the real one.
    """
    nothing, perceptual = nothing_of(config), unweighted_perceptual(config)
    task = AutoencoderTask(
        network, config, window=Window(), train=nothing, select=nothing, seed=0, perceptual=perceptual
    )
    task.codebook.search = one_chunk if isinstance(fabric, Rehearsal) else nearest_codes
    rehearse(task, fabric)
    return task
