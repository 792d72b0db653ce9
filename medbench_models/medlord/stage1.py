"""Stage 1: the VQ-VAE trained as a GAN on random crops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from medbench.training.averaging import learning_rate, seeded, set_learning_rate
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.loop import Stateful
from medbench_models.medlord.config import NetworkConfig, Stage1Config
from medbench_models.medlord.data import Crops, augmented, random_crops, scaled
from medbench_models.medlord.decoding import layout_of, memory_for_activations, slabs_needed, through
from medbench_models.medlord.networks import build_discriminator, build_vqvae, codebook_of
from medbench_models.shared.losses import PerceptualLoss, adversarial_loss, psnr, spectral_loss

_BETAS = (0.9, 0.99)
_CLIP_NORM = 1.0
_KMEANS_ROWS_PER_CODE = 32
# A code that was met once has the average count 0.05 with decay 0.95; below this it has not been met for 10 steps.
_DEAD_BELOW = 0.03


@dataclass(frozen=True, eq=False)
class _Pass:
    """What a forward pass saw, made and lost."""

    image: torch.Tensor
    reconstruction: torch.Tensor
    losses: dict[str, torch.Tensor]


def _last_of(count: int) -> list[bool]:
    """Say for each of ``count`` passes whether it is the last, after which processes exchange gradients."""
    return [index == count - 1 for index in range(count)]


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
        self.crops = Crops(config.crop, align=network.vqvae.factor, centred=config.centred)
        self.train = train
        self.select = scaled(select, network.window)
        with seeded(seed):
            self.vqvae = build_vqvae(network.vqvae)
            self.discriminator = build_discriminator(config)
        self.codebook = codebook_of(self.vqvae)
        self.perceptual = PerceptualLoss() if config.perceptual_weight > 0.0 else None
        if config.checkpointing:
            checkpoint_activations([*self.vqvae.encoder.blocks, *self.vqvae.decoder.blocks])

    def setup(self, fabric: Fabric) -> None:
        """Hand both networks and their optimisers to Fabric."""
        self.fabric = fabric
        parameters = [value for value in self.vqvae.parameters() if value.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=self.config.rate, betas=_BETAS)
        critic_optimiser = torch.optim.AdamW(self.discriminator.parameters(), lr=self.config.discriminator_rate)
        self.net, self.optimiser = fabric.setup(self.vqvae, optimiser)
        self.critic, self.critic_optimiser = fabric.setup(self.discriminator, critic_optimiser)
        if self.perceptual is not None:
            self.perceptual.to(fabric.device)

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train the VQ-VAE on crops and, in the adversarial phase, the discriminator on the same ones after it."""
        config = self.config
        self.codebook.bypass = index < round(config.quantise_from * config.steps)
        if config.quantise_from > 0.0 and index == round(config.quantise_from * config.steps):
            self._start_codebook(chance)
        for optimiser, peak in ((self.optimiser, config.rate), (self.critic_optimiser, config.discriminator_rate)):
            schedule = config.schedule if optimiser is self.optimiser else "constant"
            set_learning_rate(optimiser, learning_rate(schedule, index, config.steps, peak=peak))
        weight = self._adversarial_weight(index)
        self.discriminator.requires_grad_(False)
        passes = [self._generator_pass(weight, chance, last=last) for last in _last_of(config.accumulate)]
        self._apply(self.net, self.optimiser)
        losses = {name: torch.stack([one.losses[name] for one in passes]).mean() for name in passes[0].losses}
        if weight > 0.0:
            self.discriminator.requires_grad_(True)
            found = [self._critic_pass(one, last=last) for one, last in zip(passes, _last_of(config.accumulate))]
            self._apply(self.critic, self.critic_optimiser)
            losses["discriminator"] = torch.stack(found).mean()
        if not self.codebook.bypass and index < round(config.restart_until * config.steps):
            self._restart_dead(passes[-1].image, chance)
        return losses

    def _generator_pass(self, weight: float, chance: torch.Generator, *, last: bool) -> _Pass:
        config = self.config
        image = self._batch(chance)
        with self.fabric.no_backward_sync(self.net, enabled=not last):
            reconstruction, commitment = self.net(image)
            losses = {
                "l1": functional.l1_loss(reconstruction, image),
                "mse": functional.mse_loss(reconstruction, image),
                "spectral": spectral_loss(reconstruction, image),
                "commitment": commitment,
            }
            weights = {"l1": 1.0, "mse": config.mse_weight, "spectral": config.spectral_weight, "commitment": 1.0}
            if self.perceptual is not None:
                losses["perceptual"] = self.perceptual(reconstruction, image, chance)
                weights["perceptual"] = config.perceptual_weight
            if weight > 0.0:
                with self.fabric.no_backward_sync(self.critic):  # its own weights get no gradient here
                    losses["adversarial"] = adversarial_loss(self.critic(reconstruction)[-1], real=True)
                weights["adversarial"] = weight
            total = sum(weights[name] * losses[name] for name in losses)
            self.fabric.backward(total / config.accumulate)
        return _Pass(image, reconstruction.detach(), {name: value.detach() for name, value in losses.items()})

    def _critic_pass(self, made: _Pass, *, last: bool) -> torch.Tensor:
        with self.fabric.no_backward_sync(self.critic, enabled=not last):
            fake, real = self.critic(torch.cat([made.reconstruction, made.image]))[-1].chunk(2)
            loss = 0.5 * (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False))
            self.fabric.backward(loss / self.config.accumulate)
        return loss.detach()

    def _apply(self, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self.fabric.clip_gradients(module, optimiser, max_norm=_CLIP_NORM)
        optimiser.step()
        optimiser.zero_grad()

    def validate(self) -> Mapping[str, float]:
        """Return the mean PSNR (dB) on whole selection volumes; its negative is the score, once codes are in use."""
        self.vqvae.eval()
        with torch.no_grad():
            limit = memory_for_activations(self.fabric.device)
            count = slabs_needed(layout_of(self.vqvae), self.select.shape[2:], itemsize=4, limit_bytes=limit)
            batches = (batch.to(self.fabric.device) for batch in self.select.split(1))
            mean = float(torch.cat([psnr(through(self.vqvae, batch, count=count), batch) for batch in batches]).mean())
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
        crops = random_crops(self.train, self.crops, batch=self.config.batch, chance=chance)
        image = scaled(crops, self.window).to(self.fabric.device)
        return augmented(image, chance) if self.config.augment else image

    def _adversarial_weight(self, index: int) -> float:
        config = self.config
        progress = (index / config.steps - config.adversarial_from) / config.adversarial_ramp
        return config.adversarial_weight * min(1.0, max(0.0, progress))

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
