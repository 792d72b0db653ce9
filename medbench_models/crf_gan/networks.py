"""CRF-GAN's networks, by the names of the public checkpoints: G, D, E and the random field.

Source: Shiri, Bruno, Loiacono 2025 (arXiv 2503.10899), written from descriptions of the architecture.
"""

from __future__ import annotations

import torch

from medbench_models.shared.slab_gan.networks import SlabCritic, SlabGenerator


class Generator(SlabGenerator):
    """Trunk and head; the field sees the features of the whole volume, whichever slab the critic sees."""

    def forward(self, noise: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what training sees: the slab that begins at a voxel of the depth, and the features of all slabs."""
        features = self.features(noise)
        return self.detail(self.slab_of(features, first)), features


class Discriminator(SlabCritic):
    """Judges slabs; there is no second critic."""

    def forward(self, slab: torch.Tensor, first: int) -> torch.Tensor:
        """Return logits (n, 1 + classes) of slabs that begin at a voxel of the depth."""
        return self.judge_slab(slab, first)
