"""CRF-GAN's training: critic, generator, random field and encoder in turn, as in the public code.

The generator is trained by one logit, mixed of the critic's and of what the field makes of it. The field learns to tell
the features of generated volumes from those that the encoder finds in real ones; the encoder only sees slabs in its own
turn, and whole volumes in the field's.

Source: Shiri, Bruno, Loiacono 2025 (arXiv 2503.10899).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from medbench_models.crf_gan.config import NetworkConfig, TrainingConfig
from medbench_models.crf_gan.networks import Discriminator, Generator
from medbench_models.crf_gan.published import CHECKPOINTS
from medbench_models.crf_gan.random_field import RandomField
from medbench_models.shared.losses import adversarial_entropy
from medbench_models.shared.slab_gan.networks import SlabEncoder
from medbench_models.shared.slab_gan.task import Drawn, SlabGanTask, reduced


class CrfGanTask(SlabGanTask[NetworkConfig, TrainingConfig]):
    """Training of CRF-GAN; see ``SlabGanTask``."""

    model = CHECKPOINTS.model
    asking = ("discriminator", "generator", "field")
    encoders = ("encoder",)

    def fresh(self) -> Mapping[str, nn.Module]:
        """Return critic, generator, field and encoder."""
        network, grids = self.network, self.grids
        return {
            "discriminator": Discriminator(network, grids),
            "generator": Generator(network, grids),
            "field": RandomField(network.nodes),
            "encoder": SlabEncoder(network),
        }

    def rates(self) -> Mapping[str, float]:
        """Return the networks' learning rates: those of critic and field are higher."""
        config = self.config
        return {
            "discriminator": config.critic_rate,
            "generator": config.rate,
            "field": config.field_rate,
            "encoder": config.encoder_rate,
        }

    def loss(self, name: str, drawn: Drawn) -> torch.Tensor:
        """Return the loss of the network whose turn it is."""
        losses = {
            "discriminator": self._judging,
            "generator": self._deceiving,
            "field": self._judging_features,
            "encoder": self.restoring_slabs,
        }
        return losses[name](drawn)

    def _judging(self, drawn: Drawn) -> torch.Tensor:
        critic = self.nets["discriminator"]
        real = critic(self.slab(drawn), drawn.first)
        with torch.no_grad():
            made, _ = self.nets["generator"](drawn.noise["discriminator"], drawn.first)
        return adversarial_entropy(real, real=True) + adversarial_entropy(critic(made, drawn.first), real=False)

    def _deceiving(self, drawn: Drawn) -> torch.Tensor:
        made, features = self.nets["generator"](drawn.noise["generator"], drawn.first)
        critic, field = self.nets["discriminator"], self.nets["field"]
        with self.fabric.no_backward_sync(critic), self.fabric.no_backward_sync(field):  # they get no gradient here
            logits = critic(made, drawn.first)
            logits = torch.lerp(logits, field(features, logits), field_share(self.config, drawn.index))
        loss = adversarial_entropy(logits, real=True)
        if self.config.energy_weight > 0.0:
            loss = loss + self.config.energy_weight * self.far_from(reduced(made), reduced(self.slab(drawn)))
        return loss

    def _judging_features(self, drawn: Drawn) -> torch.Tensor:
        critic, field = self.nets["discriminator"], self.nets["field"]
        with torch.no_grad():
            made, features = self.nets["generator"](drawn.noise["field"], drawn.first)
            fake, real = critic(made, drawn.first), critic(self.slab(drawn), drawn.first)
            found = self.nets["encoder"](drawn.voxels)
        fake, real = field(features, fake), field(found, real)
        return adversarial_entropy(fake, real=False) + adversarial_entropy(real, real=True)


def field_share(config: TrainingConfig, index: int) -> float:
    """Return the share of the field's logits in an iteration: it falls linearly to 0.

    >>> field_share(TrainingConfig(), 0), field_share(TrainingConfig(), 30_000), field_share(TrainingConfig(), 70_000)
    (0.5, 0.25, 0.0)
    """
    return config.field_share * max(1.0 - index / config.field_steps, 0.0)
