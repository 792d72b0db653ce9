"""HA-GAN's training: critic, generator and both encoders in turn, in the order and with the losses of the public code.

The reconstruction losses train the encoders alone: the generator never sees them.

Source: Sun et al. 2022 (IEEE JBHI 26(8), doi 10.1109/JBHI.2022.3172976).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from medbench_models.ha_gan.config import NetworkConfig
from medbench_models.ha_gan.networks import CodeEncoder, Discriminator, Generator, shrunk
from medbench_models.ha_gan.published import CHECKPOINTS
from medbench_models.shared.config import SlabTrainingConfig
from medbench_models.shared.losses import adversarial_entropy
from medbench_models.shared.slab_gan.networks import SlabEncoder
from medbench_models.shared.slab_gan.task import Drawn, SlabGanTask, reduced


class HaganTask(SlabGanTask[NetworkConfig, SlabTrainingConfig]):
    """Training of HA-GAN; see ``SlabGanTask``."""

    model = CHECKPOINTS.model
    asking = ("discriminator", "generator")
    encoders = ("encoder", "code_encoder")

    def fresh(self) -> Mapping[str, nn.Module]:
        """Return critics, generator and both encoders."""
        network, grids = self.network, self.grids
        generator = Generator(network, grids)
        return {
            "discriminator": Discriminator(network, grids),
            "generator": generator,
            "encoder": SlabEncoder(network),
            "code_encoder": CodeEncoder(network, grids),
        }

    def rates(self) -> Mapping[str, float]:
        """Return the networks' learning rates: the critic's is higher."""
        config = self.config
        return {
            "discriminator": config.critic_rate,
            "generator": config.rate,
            "encoder": config.encoder_rate,
            "code_encoder": config.encoder_rate,
        }

    def loss(self, name: str, drawn: Drawn) -> torch.Tensor:
        """Return the loss of the network whose turn it is."""
        losses = {
            "discriminator": self._judging,
            "generator": self._deceiving,
            "encoder": self.restoring_slabs,
            "code_encoder": self._restoring_volumes,
        }
        return losses[name](drawn)

    def _judging(self, drawn: Drawn) -> torch.Tensor:
        critic, generator = self.nets["discriminator"], self.nets["generator"]
        real = critic(self.slab(drawn), shrunk(drawn.voxels), drawn.first)
        with torch.no_grad():
            made = generator(drawn.noise["discriminator"], drawn.first)
        fake = critic(*made, drawn.first)
        return adversarial_entropy(real, real=True) + adversarial_entropy(fake, real=False)

    def _deceiving(self, drawn: Drawn) -> torch.Tensor:
        made = self.nets["generator"](drawn.noise["generator"], drawn.first)
        with self.fabric.no_backward_sync(self.nets["discriminator"]):  # its own weights get no gradient here
            logits = self.nets["discriminator"](*made, drawn.first)
        loss = adversarial_entropy(logits, real=True)
        if self.config.energy_weight > 0.0:
            seen = reduced(self.slab(drawn)), shrunk(drawn.voxels).flatten(1)
            pairs = zip((reduced(made[0]), made[1].flatten(1)), seen)
            loss = loss + self.config.energy_weight * sum(self.far_from(*pair) for pair in pairs)
        return loss

    def _restoring_volumes(self, drawn: Drawn) -> torch.Tensor:
        with torch.no_grad():
            parts = drawn.voxels.split(self.grids.slab[0], dim=2)
            features = torch.cat([self.nets["encoder"](part) for part in parts], dim=2)
        code = self.nets["code_encoder"](features)
        with self.fabric.autocast():
            slab, small = self.networks["generator"](code, drawn.first)
        pairs = ((slab, self.slab(drawn)), (small, shrunk(drawn.voxels)))
        return 0.5 * sum(functional.l1_loss(made.float(), real) for made, real in pairs)
