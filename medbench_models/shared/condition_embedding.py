"""Label maps at image resolution, brought to a latent's or a token grid's by convolutions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class ConditionEmbedding(nn.Module):
    """Masks at image resolution, embedded at a lower one; its last convolution begins at zero.

    Args:
        in_channels: mask channels.
        channels: of the convolutions; each but the first halves every axis.
        out_channels: of the embedding.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv3d(in_channels, channels[0], 3, stride=stride, padding=1)
        blocks: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(channels):
            blocks += [nn.Conv3d(narrow, narrow, 3, padding=1), nn.Conv3d(narrow, wide, 3, stride=2, padding=1)]
        self.blocks = nn.ModuleList(blocks)
        self.conv_out = zeroed(nn.Conv3d(channels[-1], out_channels, 3, padding=1))

    def forward(self, masks: torch.Tensor) -> torch.Tensor:
        """Return the embedding (n, out_channels, x, y, z) of masks (n, in_channels, factor x, ...)."""
        hidden = functional.silu(self.conv_in(masks))
        for block in self.blocks:
            hidden = functional.silu(block(hidden))
        embedding: torch.Tensor = self.conv_out(hidden)
        return embedding


def zeroed(convolution: nn.Conv3d) -> nn.Conv3d:
    """Let a convolution add nothing until it is trained."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
