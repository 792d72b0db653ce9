"""An autoencoder with a codebook, trained as a GAN on random crops: what is common, and MONAI's VQ-VAE."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.spec import Window
from medbench.training.averaging import seeded
from medbench.training.chance import Chance, Samples
from medbench.training.checkpointing import checkpoint_activations
from medbench.training.gathering import gathered
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import VqganConfig, VqvaeConfig
from medbench_models.shared.gan import GanTask, nothing_of, rehearse, unweighted_perceptual
from medbench_models.shared.nearest import nearest_codes, one_chunk
from medbench_models.shared.quantiser import EmaQuantiser
from medbench_models.shared.vqvae import Vqvae, through

Config = TypeVar("Config", bound=VqganConfig)

_KMEANS_ROWS_PER_CODE = 32
# A code that was met once has the average count 0.05 with decay 0.95; below this it has not been met for 10 steps.
_DEAD_BELOW = 0.03


class QuantisedTask(GanTask[Config]):
    """Training of an autoencoder with a codebook; see ``VqganConfig`` for its phases. Arguments as for ``GanTask``."""

    codebook: EmaQuantiser
    dead_below: float = _DEAD_BELOW  # averaged count of a code that is not met any more

    @abstractmethod
    def encoded(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latents (n, dim, ...) of crops, before they are quantised."""

    def prepare(self, index: int, chance: Chance) -> None:
        """Begin to quantise, when it is time."""
        quantised_from = round(self.config.quantise_from * self.config.steps)
        self.codebook.bypass = index < quantised_from
        if self.config.quantise_from > 0.0 and index == quantised_from:
            self._start_codebook(chance)

    def tend(self, index: int, image: torch.Tensor, chance: Chance) -> None:
        """Restart codes that are not met any more, as long as it is time."""
        if self.codebook.bypass or index >= round(self.config.restart_until * self.config.steps):
            return
        if bool((self.codebook.ema_cluster_size < self.dead_below).any()):
            source = chance.of("restart").common()
            self.codebook.restart_dead(self._encoded_rows(image), source, below=self.dead_below)

    def validate(self) -> Mapping[str, float]:
        """Return PSNR and score, see ``GanTask``; nothing is chosen before codes are in use."""
        scores = super().validate()
        return {**scores, "score": float("inf")} if self.codebook.bypass else scores

    @torch.no_grad()
    def _encoded_rows(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latents of all processes' crops (n, dim)."""
        with self.fabric.autocast():
            latent = self.encoded(image)
        return gathered(latent.float().movedim(1, -1).flatten(0, -2))

    def _start_codebook(self, chance: Chance) -> None:
        wanted = _KMEANS_ROWS_PER_CODE * self.codebook.num_embeddings
        rows: list[torch.Tensor] = []
        while sum(map(len, rows)) < wanted:
            [samples] = chance.of(f"codebook {len(rows)}").batches(self.config.batch)
            rows.append(self._encoded_rows(self.placed(self.batch(samples), samples)))
        self.codebook.start_from(torch.cat(rows), chance.of("codebook").common())


class VqganTask(QuantisedTask[VqganConfig]):
    """Training of a VQ-VAE.

    Args:
        network: architecture.
        config: training settings.
        window: of the HU.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        seed: of the initial weights.
        perceptual: the perceptual loss of images, reconstructions and their chance; None where it weighs nothing.
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
        with seeded(seed):
            self.vqvae = Vqvae(network)
            super().__init__(self.vqvae, config, window=window, train=train, select=select, perceptual=perceptual)
        self.align = network.factor
        self.codebook = self.vqvae.codebook
        if config.checkpointing:
            checkpoint_activations([*self.vqvae.encoder.blocks, *self.vqvae.decoder.blocks])

    def passed(
        self, image: torch.Tensor, chance: Samples
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float]]:
        """Return reconstruction and commitment loss; see ``GanTask``."""
        del chance
        reconstruction, commitment = self.net(image)
        return reconstruction, {"commitment": commitment}, {"commitment": 1.0}

    def encoded(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latents of crops."""
        latent: torch.Tensor = self.vqvae.encode(image)
        return latent

    def through(self, image: torch.Tensor) -> torch.Tensor:
        """Return an image after the VQ-VAE."""
        return through(self.vqvae, image)


def step_vqgan(network: VqvaeConfig, config: VqganConfig, fabric: Rehearsal | Fabric) -> VqganTask:
    """Rehearse a training, see ``gan.rehearse``; return it.

    Args:
        network: architecture.
        config: training settings.
        fabric: a rehearsal, or the real one.
    """
    nothing, perceptual = nothing_of(config), unweighted_perceptual(config)
    task = VqganTask(network, config, window=Window(), train=nothing, select=nothing, seed=0, perceptual=perceptual)
    task.codebook.search = one_chunk if isinstance(fabric, Rehearsal) else nearest_codes
    rehearse(task, fabric)
    return task
