"""HA-GAN's four networks, by the names of the published checkpoints: G, D, E and Sub_E.

Source: Sun et al. 2022 (IEEE JBHI 26(8), doi 10.1109/JBHI.2022.3172976), written from descriptions of the architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from medbench_models.ha_gan.config import NetworkConfig
from medbench_models.shared.slab_gan.networks import (
    REDUCTION,
    Pyramid,
    SlabCritic,
    SlabEncoder,
    SlabGenerator,
    normed,
    numbered,
)
from medbench_models.shared.spectral import SpectralConv3d

_SMALL_LAYERS = 4
_SLOPE = 0.2


@dataclass(frozen=True)
class Networks:
    """What trains together; only the generator is sampled."""

    generator: Generator
    discriminator: Discriminator
    encoder: SlabEncoder
    code_encoder: CodeEncoder


def build_networks(config: NetworkConfig, grids: Pyramid) -> Networks:
    """Return the networks with fresh weights."""
    return Networks(
        Generator(config, grids), Discriminator(config, grids), SlabEncoder(config), CodeEncoder(config, grids)
    )


def shrunk(volume: torch.Tensor) -> torch.Tensor:
    """Return every fourth voxel of volumes (n, 1, depth, height, width), as the public code shrinks real ones."""
    return volume[..., ::REDUCTION, ::REDUCTION, ::REDUCTION]


class Generator(SlabGenerator):
    """The trunk G^A, the head G^H of slabs, and the head G^L that makes a small volume of all features."""

    def __init__(self, config: NetworkConfig, grids: Pyramid) -> None:
        super().__init__(config, grids)
        self.sub_G = SmallHead(config.feature_width)

    def forward(self, noise: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what training sees: the slab that begins at a voxel of the depth, and the small volume."""
        features = self.features(noise)
        return self.detail(self.slab_of(features, first)), self.sub_G(features)


class SmallHead(nn.Module):
    """G^L: three convolutions at the resolution of the features.

    Args:
        width: channels of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tp_conv1 = nn.Conv3d(width, width // 2, 3, padding=1)
        self.bn1 = normed(width // 2)
        self.tp_conv2 = nn.Conv3d(width // 2, width // 4, 3, padding=1)
        self.bn2 = normed(width // 4)
        self.tp_conv3 = nn.Conv3d(width // 4, 1, 3, padding=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return small volumes (n, 1, ...) in -1..1 of features (n, c, ...)."""
        found = functional.relu(self.bn1(self.tp_conv1(features)))
        found = functional.relu(self.bn2(self.tp_conv2(found)))
        return torch.tanh(self.tp_conv3(found))


class Discriminator(SlabCritic):
    """D^H, which judges slabs, and D^L, which judges small volumes; their logits are averaged."""

    def __init__(self, config: NetworkConfig, grids: Pyramid) -> None:
        super().__init__(config, grids)
        self.sub_D = SmallCritic(config, grids)

    def forward(self, slab: torch.Tensor, small: torch.Tensor, first: int) -> torch.Tensor:
        """Return logits (n, 1 + classes) of slabs that begin at a voxel of the depth, and of their small volumes."""
        return 0.5 * (self.judge_slab(slab, first) + self.sub_D(small))


class SmallCritic(nn.Module):
    """D^L: halves a small volume to where the trunk begins; every layer has spectral norm."""

    def __init__(self, config: NetworkConfig, grids: Pyramid) -> None:
        super().__init__()
        self.numbers = numbered(_SMALL_LAYERS, config.doublings)
        before = 1
        for number in self.numbers:
            after = config.small_critic_width >> (_SMALL_LAYERS - number)
            self.add_module(f"conv{number}", SpectralConv3d(before, after, 4, 2, 1))
            before = after
        self.conv5 = SpectralConv3d(before, 1 + config.classes, grids.start)

    def forward(self, small: torch.Tensor) -> torch.Tensor:
        """Return logits (n, 1 + classes) of small volumes (n, 1, ...)."""
        found = small
        for number in self.numbers:
            found = functional.leaky_relu(self.get_submodule(f"conv{number}")(found), _SLOPE)
        return self.conv5(found).flatten(1)


class CodeEncoder(nn.Module):
    """E^G: brings the features of a whole volume to the latent vector that the generator begins with."""

    def __init__(self, config: NetworkConfig, grids: Pyramid) -> None:
        super().__init__()
        self.numbers = numbered(_SMALL_LAYERS, config.doublings)
        before = config.feature_width
        for number in self.numbers:
            after = config.code_width >> (_SMALL_LAYERS - number)
            self.add_module(f"conv{number}", nn.Conv3d(before, after, 4, 2, 1))
            self.add_module(f"bn{number}", normed(after))
            before = after
        self.conv5 = nn.Conv3d(before, config.latent, grids.start)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return latent vectors (n, latent) of features (n, c, depth, height, width) / 4."""
        found = features
        for number in self.numbers:
            norm, convolve = self.get_submodule(f"bn{number}"), self.get_submodule(f"conv{number}")
            found = functional.relu(norm(convolve(found)))
        return self.conv5(found).flatten(1)
