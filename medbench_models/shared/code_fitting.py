"""From cases to a VQ-VAE and the codes of the volumes: what all trainings on codes do alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.spec import Window
from medbench.training.loop import Trained
from medbench_models.shared.codes import Latents, encode_volumes, scale_factor
from medbench_models.shared.config import VqganConfig, VqvaeConfig
from medbench_models.shared.fitting import Config, Fitting
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.vqgan import VqganTask
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae


class Coded(Protocol):
    """What the architecture of such a generator holds."""

    @property
    def vqvae(self) -> VqvaeConfig:
        """Of the VQ-VAE."""

    @property
    def window(self) -> Window:
        """Of the HU."""


class CodeFitting(Fitting[Config]):
    """A training whose first stage is a VQ-VAE; its preset has ``network`` (see ``Coded``) and ``stage1``."""

    leave_out = TRAINING_ONLY

    def train_vqvae(self, config: VqganConfig, volumes: Mapping[str, np.ndarray]) -> Trained:
        """Train the VQ-VAE as a GAN.

        Args:
            config: training settings.
            volumes: (n, x, y, z) HU of each split.
        """
        network: Coded = self.config.network
        perceptual = PerceptualLoss() if config.perceptual_weight > 0.0 else None
        task = VqganTask(
            network.vqvae, config, window=network.window, **volumes, seed=self.request.seed, perceptual=perceptual
        )
        return self.stage(task, "stage1", config, {"vqvae": network.vqvae, "window": network.window})

    def codes(
        self, fabric: Fabric, state: Mapping[str, torch.Tensor], volumes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], torch.Tensor]:
        """Return the code numbers of each split's volumes, kept in the workspace, and the codebook (codes, dim).

        Args:
            fabric: from ``launch``.
            state: of the VQ-VAE; where it was stored without what only training needs, it is read all the same.
            volumes: (n, x, y, z) HU of each split.
        """
        network: Coded = self.config.network
        vqvae = Vqvae(network.vqvae)
        vqvae.load_state_dict({**vqvae.state_dict(), **state})
        vqvae.to(fabric.device)
        with fabric.rank_zero_first():
            numbers = {
                name: encode_volumes(
                    vqvae, part, self.request.workspace / f"codes-{name}.npy", window=network.window,
                    progress=self.request.progress,
                )
                for name, part in volumes.items()
            }  # fmt: skip
        return numbers, vqvae.codebook.embedding.weight.detach().cpu()

    def latents(
        self, fabric: Fabric, state: Mapping[str, torch.Tensor], volumes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, Latents], float]:
        """Return each split's latents at a standard deviation of 1, and what they were multiplied by; see ``codes``."""
        numbers, codes = self.codes(fabric, state, volumes)
        factor = scale_factor(numbers["train"], codes)
        return {name: Latents(indices, codes * factor) for name, indices in numbers.items()}, factor
