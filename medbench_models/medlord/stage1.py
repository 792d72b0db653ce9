"""Stage 1: the VQ-VAE trained as a GAN on random crops."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from medbench.training.averaging import cosine_rate, seeded, set_learning_rate
from medbench.training.loop import Stateful
from medbench_models.medlord.config import NetworkConfig, Stage1Config
from medbench_models.medlord.data import random_crops, scaled
from medbench_models.medlord.losses import adversarial_loss, psnr, spectral_loss
from medbench_models.medlord.networks import build_discriminator, build_vqvae, codebook_of

_BETAS = (0.9, 0.99)
_CLIP_NORM = 1.0
_KMEANS_ROWS_PER_CODE = 32
# A code that was met once has the average count 0.05 with decay 0.95; below this it has not been met for 10 steps.
_DEAD_BELOW = 0.03


class VqvaeTask:
    """Training of the VQ-VAE; see ``Stage1Config`` for its phases.

    Args:
        network: architecture and window.
        config: training settings.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        seed: of the initial weights.
    """

    def __init__(
        self, network: NetworkConfig, config: Stage1Config, *, train: np.ndarray, select: np.ndarray, seed: int
    ) -> None:
        self.config = config
        self.window = network.window
        self.align = network.vqvae.factor
        self.train = train
        self.select = scaled(select, network.window)
        with seeded(seed):
            self.vqvae = build_vqvae(network.vqvae)
            self.discriminator = build_discriminator(config)
        self.codebook = codebook_of(self.vqvae)

    def setup(self, fabric: Fabric) -> None:
        """Hand both networks and their optimisers to Fabric."""
        self.fabric = fabric
        parameters = [value for value in self.vqvae.parameters() if value.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=self.config.rate, betas=_BETAS)
        critic_optimiser = torch.optim.AdamW(self.discriminator.parameters(), lr=self.config.discriminator_rate)
        self.net, self.optimiser = fabric.setup(self.vqvae, optimiser)
        self.critic, self.critic_optimiser = fabric.setup(self.discriminator, critic_optimiser)

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train the VQ-VAE on one batch of crops and, in the adversarial phase, the discriminator after it."""
        config = self.config
        self.codebook.bypass = index < round(config.quantise_from * config.steps)
        if index == round(config.quantise_from * config.steps):
            self._start_codebook(chance)
        set_learning_rate(self.optimiser, cosine_rate(index, config.steps, peak=config.rate))
        image = self._batch(chance)
        reconstruction, commitment = self.net(image)
        losses = {
            "l1": functional.l1_loss(reconstruction, image),
            "mse": functional.mse_loss(reconstruction, image),
            "spectral": spectral_loss(reconstruction, image),
            "commitment": commitment,
        }
        weight = self._adversarial_weight(index)
        total = (
            losses["l1"]
            + config.mse_weight * losses["mse"]
            + config.spectral_weight * losses["spectral"]
            + losses["commitment"]
        )
        if weight > 0.0:
            self.discriminator.requires_grad_(False)
            losses["adversarial"] = adversarial_loss(self.critic(reconstruction)[-1], real=True)
            total = total + weight * losses["adversarial"]
        self._update(total, self.net, self.optimiser)
        if weight > 0.0:
            self.discriminator.requires_grad_(True)
            losses["discriminator"] = self._train_discriminator(image, reconstruction.detach())
        if not self.codebook.bypass and index < round(config.restart_until * config.steps):
            self._restart_dead(image, chance)
        return {name: value.detach() for name, value in losses.items()}

    def validate(self) -> Mapping[str, float]:
        """Return the mean PSNR (dB) on whole selection volumes; its negative is the score, once codes are in use."""
        self.vqvae.eval()
        with torch.no_grad():
            batches = [batch.to(self.fabric.device) for batch in self.select.split(1)]
            mean = float(torch.cat([psnr(self.vqvae(batch)[0], batch) for batch in batches]).mean())
        self.vqvae.train()
        return {"score": float("inf") if self.codebook.bypass else -mean, "psnr": mean}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the VQ-VAE's state."""
        return dict(self.vqvae.state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return both networks and optimisers."""
        return {
            "vqvae": self.vqvae,
            "discriminator": self.discriminator,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def _batch(self, chance: torch.Generator) -> torch.Tensor:
        config = self.config
        crops = random_crops(self.train, batch=config.batch, crop=config.crop, align=self.align, chance=chance)
        return scaled(crops, self.window).to(self.fabric.device)

    def _update(self, loss: torch.Tensor, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(module, optimiser, max_norm=_CLIP_NORM)
        optimiser.step()

    def _adversarial_weight(self, index: int) -> float:
        config = self.config
        progress = (index / config.steps - config.adversarial_from) / config.adversarial_ramp
        return config.adversarial_weight * min(1.0, max(0.0, progress))

    def _train_discriminator(self, image: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        fake, real = self.critic(torch.cat([reconstruction, image]))[-1].chunk(2)
        loss = 0.5 * (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False))
        self._update(loss, self.critic, self.critic_optimiser)
        return loss

    @torch.no_grad()
    def _encoded_rows(self, image: torch.Tensor) -> torch.Tensor:
        with self.fabric.autocast():
            latent = self.vqvae.encode(image)
        return latent.float().movedim(1, -1).flatten(0, -2)

    def _start_codebook(self, chance: torch.Generator) -> None:
        wanted = _KMEANS_ROWS_PER_CODE * self.codebook.num_embeddings
        rows = self._encoded_rows(self._batch(chance))
        while len(rows) < wanted:
            rows = torch.cat([rows, self._encoded_rows(self._batch(chance))])
        self.codebook.start_from(rows, chance)

    def _restart_dead(self, image: torch.Tensor, chance: torch.Generator) -> None:
        if bool((self.codebook.ema_cluster_size < _DEAD_BELOW).any()):
            self.codebook.restart_dead(self._encoded_rows(image), chance, below=_DEAD_BELOW)
