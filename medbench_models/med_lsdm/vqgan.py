"""The 3D VQ-GAN of Med-LSDM: volumes to codes of a quarter of the size along each axis, and back.

The networks have the published names of parameters; only the codebook is the one that all generators here share, whose
three tensors ``upstream`` renames.

Source: Tang et al. 2025 (arXiv 2507.00206); the design is that of TATS (Ge et al. 2022, arXiv 2204.03638).
"""

from __future__ import annotations

import itertools
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from medbench_models.med_lsdm.config import AutoencoderConfig
from medbench_models.med_lsdm.layers import SamePadConv3d, SamePadConvTranspose3d, Spade
from medbench_models.shared.quantiser import EmaQuantiser

LEVELS: Final = 2
TRAINING_ONLY: Final = ("codebook.ema_cluster_size", "codebook.ema_w")
_SPADE_HIDDEN: Final = 128


class ResBlock(nn.Module):
    """Two convolutions, each after a norm and SiLU, around which the input passes."""

    def __init__(self, channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels, norm_groups)
        self.conv1 = SamePadConv3d(channels, channels, 3)
        self.norm2 = _norm(channels, norm_groups)
        self.conv2 = SamePadConv3d(channels, channels, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        hidden = self.conv1(functional.silu(self.norm1(features)))
        found: torch.Tensor = features + self.conv2(functional.silu(self.norm2(hidden)))
        return found


class SpadeResBlock(nn.Module):
    """A residual block whose norms are steered by a label map."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.spade_norm1 = Spade(channels, classes, _SPADE_HIDDEN)
        self.conv1 = SamePadConv3d(channels, channels, 3)
        self.spade_norm2 = Spade(channels, classes, _SPADE_HIDDEN)
        self.conv2 = SamePadConv3d(channels, channels, 3)

    def forward(self, features: torch.Tensor, label_map: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        hidden = self.conv1(functional.silu(self.spade_norm1(features, label_map)))
        found: torch.Tensor = features + self.conv2(functional.silu(self.spade_norm2(hidden, label_map)))
        return found


class Encoder(nn.Module):
    """From an image (n, 1, z, x, y) to features (n, 4 hidden, z / 4, x / 4, y / 4)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.hidden * 2**level for level in range(LEVELS + 1)]
        self.conv_first = SamePadConv3d(1, widths[0], 3)
        self.conv_blocks = nn.ModuleList(
            nn.ModuleDict({"down": SamePadConv3d(before, width, 4, 2), "res": ResBlock(width, config.norm_groups)})
            for before, width in itertools.pairwise(widths)
        )
        self.final_block = nn.Sequential(_norm(widths[-1], config.norm_groups), nn.SiLU())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        hidden = self.conv_first(image)
        for block in self.conv_blocks:
            hidden = block["res"](block["down"](hidden))
        found: torch.Tensor = self.final_block(hidden)
        return found


class Decoder(nn.Module):
    """From features (n, 4 hidden, z / 4, ...) to an image (n, 1, z, x, y) in -1..1."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.final_block = nn.Sequential(_norm(4 * config.hidden, config.norm_groups), nn.SiLU())
        self.conv_blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "up": SamePadConvTranspose3d(before, width, 4, 2),
                    "res1": ResBlock(width, config.norm_groups),
                    "res2": ResBlock(width, config.norm_groups),
                }
            )
            for before, width in _decoder_widths(config)
        )
        self.conv_last = SamePadConv3d(2 * config.hidden, 1, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the image."""
        hidden = self.final_block(features)
        for block in self.conv_blocks:
            hidden = block["res2"](block["res1"](block["up"](hidden)))
        return torch.tanh(self.conv_last(hidden))


class SpadeDecoder(nn.Module):
    """The decoder that a label map steers."""

    def __init__(self, config: AutoencoderConfig, classes: int) -> None:
        super().__init__()
        self.final_block_spade = Spade(4 * config.hidden, classes, _SPADE_HIDDEN)
        self.conv_blocks_spade = nn.ModuleList(
            nn.ModuleDict(
                {
                    "up": SamePadConvTranspose3d(before, width, 4, 2),
                    "res1": SpadeResBlock(width, classes),
                    "res2": SpadeResBlock(width, classes),
                }
            )
            for before, width in _decoder_widths(config)
        )
        self.conv_last_spade = SamePadConv3d(2 * config.hidden, 1, 3)

    def forward(self, features: torch.Tensor, label_map: torch.Tensor) -> torch.Tensor:
        """Return the image, of features and a one-hot map (n, classes, z, x, y)."""
        hidden = functional.silu(self.final_block_spade(features, label_map))
        for block in self.conv_blocks_spade:
            hidden = block["res2"](block["res1"](block["up"](hidden), label_map), label_map)
        return torch.tanh(self.conv_last_spade(hidden))


class VqGan(nn.Module):
    """Encoder, codebook and decoder.

    Args:
        config: architecture.
        classes: channels of a one-hot label map, for a decoder that such a map steers.
    """

    codebook: EmaQuantiser

    def __init__(self, config: AutoencoderConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = SpadeDecoder(config, classes) if config.spade else Decoder(config)
        self.pre_vq_conv = SamePadConv3d(4 * config.hidden, config.code_channels, 1)
        self.post_vq_conv = SamePadConv3d(config.code_channels, 4 * config.hidden, 1)
        self.codebook = EmaQuantiser(
            config.codes, config.code_channels, commitment=config.commitment, decay=config.decay, epsilon=config.epsilon
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an image (n, 1, z, x, y) in -1..1 after the VQ-GAN, and the commitment loss."""
        quantised, commitment, _ = self.codebook(self.encode(image))
        return self.decode(quantised), commitment

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latent (n, c, z / 4, x / 4, y / 4), not quantised."""
        latent: torch.Tensor = self.pre_vq_conv(self.encoder(image))
        return latent

    def decode(self, quantised: torch.Tensor, label_map: torch.Tensor | None = None) -> torch.Tensor:
        """Return the image of codes; ``label_map``, one-hot, is for a decoder that it steers."""
        features = self.post_vq_conv(quantised)
        image: torch.Tensor = self.decoder(features) if label_map is None else self.decoder(features, label_map)
        return image

    def scaled(self, latent: torch.Tensor) -> torch.Tensor:
        """Return a latent with the range of the codebook's numbers, all channels together, brought to -1..1.

        Not the range of a batch: the same latent must always have the same numbers.
        """
        low, high = self._range(latent)
        return 2.0 * (latent - low) / (high - low) - 1.0

    def quantised(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return the codes nearest to a latent in -1..1: the decoder has only ever seen codes."""
        low, high = self._range(scaled)
        codes: torch.Tensor = self.codebook((scaled.float() + 1.0) / 2.0 * (high - low) + low)[0]
        return codes

    def _range(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self.codebook.embedding.weight.to(latent.device)
        return codes.min(), codes.max()


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


def _decoder_widths(config: AutoencoderConfig) -> list[tuple[int, int]]:
    """Return channels before and after each doubling; the first keeps them."""
    return [(4 * config.hidden, 4 * config.hidden), (4 * config.hidden, 2 * config.hidden)]
