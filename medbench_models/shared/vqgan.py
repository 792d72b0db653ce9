"""A VQ-VAE trained as a GAN on random crops."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from monai.networks.nets import PatchDiscriminator
from torch.nn import functional

from medbench.spec import Window
from medbench.training.averaging import descend, learning_rate, seeded, set_learning_rate
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.loop import Stateful
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.arrays import scaled
from medbench_models.shared.config import VqganConfig, VqvaeConfig
from medbench_models.shared.crops import augmented, random_crops
from medbench_models.shared.losses import PerceptualLoss, adversarial_loss, psnr, spectral_loss
from medbench_models.shared.nearest import nearest_codes, one_chunk
from medbench_models.shared.vqvae import Vqvae, through

_BETAS = (0.9, 0.99)
_KMEANS_ROWS_PER_CODE = 32
# A code that was met once has the average count 0.05 with decay 0.95; below this it has not been met for 10 steps.
_DEAD_BELOW = 0.03


@dataclass(frozen=True, eq=False)
class _Pass:
    """What a forward pass saw, made and lost."""

    image: torch.Tensor
    reconstruction: torch.Tensor
    losses: dict[str, torch.Tensor]


def build_discriminator(config: VqganConfig) -> PatchDiscriminator:
    """Return the patch discriminator."""
    return PatchDiscriminator(
        spatial_dims=3,
        in_channels=1,
        channels=config.discriminator_channels,
        num_layers_d=config.discriminator_layers,
        norm="INSTANCE",
    )


class VqganTask:
    """Training of a VQ-VAE; see ``VqganConfig`` for its phases.

    Args:
        network: architecture.
        config: training settings.
        window: of the HU.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        seed: of the initial weights.
        perceptual: the perceptual loss of images, reconstructions and a source of chance; None where it weighs nothing.
    """

    def __init__(
        self,
        network: VqvaeConfig,
        config: VqganConfig,
        *,
        window: Window,
        train: np.ndarray,
        select: np.ndarray,
        seed: int,
        perceptual: torch.nn.Module | None = None,
    ) -> None:
        self.config = config
        self.window = window
        self.train = train
        self.select = scaled(select, window)
        with seeded(seed):
            self.vqvae = Vqvae(network)
            self.discriminator = build_discriminator(config)
        self.codebook = self.vqvae.codebook
        self.perceptual = perceptual
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
            fabric.to_device(self.perceptual)

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train the VQ-VAE on crops and, in the adversarial phase, the discriminator on the same ones after it."""
        config = self.config
        quantised_from = round(config.quantise_from * config.steps)
        self.codebook.bypass = index < quantised_from
        if config.quantise_from > 0.0 and index == quantised_from:
            self._start_codebook(chance)
        set_learning_rate(self.optimiser, learning_rate(config.schedule, index, config.steps, peak=config.rate))
        weight = self._adversarial_weight(index)
        self.discriminator.requires_grad_(False)
        passes: list[_Pass] = []
        generate = functools.partial(self._generator_loss, weight, chance, passes)
        descend(self.fabric, self.net, self.optimiser, [generate] * config.accumulate)
        losses = {name: torch.stack([one.losses[name] for one in passes]).mean() for name in passes[0].losses}
        if weight > 0.0:
            self.discriminator.requires_grad_(True)
            judge = [functools.partial(self._critic_loss, one) for one in passes]
            losses["discriminator"] = descend(self.fabric, self.critic, self.critic_optimiser, judge)
        if not self.codebook.bypass and index < round(config.restart_until * config.steps):
            self._restart_dead(passes[-1].image, chance)
        return losses

    def _generator_loss(self, weight: float, chance: torch.Generator, passes: list[_Pass]) -> torch.Tensor:
        config = self.config
        image = self._batch(chance)
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
        detached = {name: value.detach() for name, value in losses.items()}
        passes.append(_Pass(image, reconstruction.detach(), detached))
        total: torch.Tensor = sum(weights[name] * losses[name] for name in losses)
        return total

    def _critic_loss(self, made: _Pass) -> torch.Tensor:
        fake, real = self.critic(torch.cat([made.reconstruction, made.image]))[-1].chunk(2)
        return 0.5 * (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False))

    def validate(self) -> Mapping[str, float]:
        """Return the mean PSNR (dB) on whole selection volumes; its negative is the score, once codes are in use."""
        self.vqvae.eval()
        with torch.no_grad():
            batches = (batch.to(self.fabric.device) for batch in self.select.split(1))
            mean = float(torch.cat([psnr(through(self.vqvae, batch), batch) for batch in batches]).mean())
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
        config, align = self.config, self.vqvae.config.factor
        crops = random_crops(
            self.train, config.crop, align=align, centred=config.centred, batch=config.batch, chance=chance
        )
        image = scaled(crops, self.window).to(self.fabric.device)
        return augmented(image, chance) if config.augment else image

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


def step_vqgan(network: VqvaeConfig, config: VqganConfig, fabric: Rehearsal | Fabric) -> VqganTask:
    """Take the heaviest step of a training, the last, with every loss, on empty crops; return the training.

    Args:
        network: architecture.
        config: training settings.
        fabric: a rehearsal, to predict the memory that it takes, or the real one, to measure it.
    """
    nothing = np.empty((0, *config.crop), np.int16)
    perceptual = _perceptual() if config.perceptual_weight > 0.0 else None
    task = VqganTask(network, config, window=Window(), train=nothing, select=nothing, seed=0, perceptual=perceptual)
    task.codebook.search = one_chunk if isinstance(fabric, Rehearsal) else nearest_codes
    task._batch = lambda chance: torch.zeros(config.batch, 1, *config.crop, device=fabric.device)
    task.setup(fabric)
    task.step(config.steps - 1, torch.Generator())
    return task


def _perceptual() -> PerceptualLoss:
    """Return the perceptual loss without its weights, which need not be here."""
    import lpips

    with warnings.catch_warnings():
        # The package still calls torchvision with arguments that torchvision has replaced.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network = lpips.LPIPS(net="squeeze", pretrained=False, pnet_rand=True, verbose=False)
    return PerceptualLoss(network.eval())
