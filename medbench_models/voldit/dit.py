"""The diffusion transformer: a latent's patches as tokens, the time as scales and shifts of their layer norms.

Source: Peebles and Xie 2023 (arXiv 2212.09748), section 3, in three dimensions; sizes and positions as in VolDiT (arXiv
2603.25181), compared with Cardio-AI/voldit, commit 76c7063.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from monai.networks.blocks.mlp import MLPBlock
from monai.networks.blocks.selfattention import SABlock
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from torch import nn
from torch.nn import functional

from medbench_models.voldit.config import DitConfig

_TIME_NUMBERS = 256
_MLP_RATIO = 4


def positions(grid: Sequence[int], width: int) -> torch.Tensor:
    """Return the fixed embedding (tokens, width) float32 of a grid's positions, its first axis slowest.

    Each axis has a third of the numbers, sines before cosines, at frequencies from 1 down to about 1 / 10000.

    Args:
        grid: tokens along x, y, z.
        width: numbers of a token; where 6 does not divide it, the last ones of the next multiple are left out.

    >>> positions((1, 1, 2), 6)[1]
    tensor([0.0000, 1.0000, 0.0000, 1.0000, 0.8415, 0.5403])
    """
    count = math.ceil(width / 6)
    frequencies = 10_000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
    axes = torch.meshgrid(*(torch.arange(length, dtype=torch.float64) for length in grid), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in axes]
    waves = [wave for angle in angles for wave in (angle.sin(), angle.cos())]
    return torch.cat(waves, dim=1)[:, :width].float()


class Block(nn.Module):
    """Attention among all tokens, then a perceptron of each; both begin as nothing.

    Args:
        config: of the transformer.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = SABlock(
            width, config.heads, qkv_bias=True, use_combined_linear=False, use_flash_attention=True
        )
        self.dropout = nn.Dropout(config.dropout)
        self.mlp = MLPBlock(width, _MLP_RATIO * width, config.dropout)
        self.modulation = _modulation(width, 6)

    def forward(self, tokens: torch.Tensor, time: torch.Tensor, control: torch.Tensor | None = None) -> torch.Tensor:
        """Return the tokens after the block.

        Args:
            tokens: (n, tokens, width).
            time: (n, width), embedded.
            control: (n, tokens, width), normalised and added to what the attention sees; None: nothing.
        """
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = self.modulation(time)[:, None].chunk(6, dim=-1)
        seen = _modulated(tokens, shift, scale)
        if control is not None:
            seen = seen + normalised(control)
        tokens = tokens + gate * self.dropout(self.attention(seen))
        return tokens + gate_mlp * self.mlp(_modulated(tokens, shift_mlp, scale_mlp))


class Dit(nn.Module):
    """A transformer that predicts velocities of latents of one shape: its positions are the grid's.

    Args:
        config: architecture.
        grid: tokens along x, y, z.
        channels: of the latent.
    """

    positions: torch.Tensor

    def __init__(self, config: DitConfig, grid: Sequence[int], channels: int) -> None:
        super().__init__()
        width, patch = config.width, config.patch
        self.grid, self.patch = tuple(grid), patch
        self.patches = nn.Conv3d(channels, width, patch, stride=patch)
        self.time = nn.Sequential(nn.Linear(_TIME_NUMBERS, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.modulation = _modulation(width, 2)
        self.out = nn.Linear(width, patch**3 * channels)
        placed = positions(grid, width).to(torch.get_default_dtype())
        self.register_buffer("positions", placed, persistent=False)
        self._begin()

    def forward(self, latent: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Return the velocity of noisy latents (n, c, x, y, z) at time steps (n,)."""
        return self.velocity(latent, self.embed(steps))

    def embed(self, steps: torch.Tensor) -> torch.Tensor:
        """Return the embedding (n, width) of time steps (n,)."""
        time: torch.Tensor = self.time(get_timestep_embedding(steps, _TIME_NUMBERS).to(self.positions.dtype))
        return time

    def velocity(
        self, latent: torch.Tensor, time: torch.Tensor, controls: Iterable[torch.Tensor | None] | None = None
    ) -> torch.Tensor:
        """Return the velocity of noisy latents.

        Args:
            latent: (n, c, x, y, z).
            time: (n, width), from ``embed``.
            controls: what steers each block, see ``Block``; None: nothing.
        """
        tokens = self.patches(latent).flatten(2).transpose(1, 2) + self.positions
        for block, control in zip(self.blocks, controls or [None] * len(self.blocks), strict=True):
            tokens = block(tokens, time, control)
        shift, scale = self.modulation(time)[:, None].chunk(2, dim=-1)
        return self._joined(self.out(_modulated(tokens, shift, scale)))

    def _joined(self, patches: torch.Tensor) -> torch.Tensor:
        """Return latents (n, c, x, y, z) of patches (n, tokens, patch x patch x patch x c), channels last in each."""
        split = patches.unflatten(-1, (self.patch, self.patch, self.patch, -1)).unflatten(1, self.grid)
        return split.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6).flatten(4, 5).flatten(2, 3)

    def _begin(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.patches.weight.data.flatten(1))
        nn.init.zeros_(self.patches.bias)
        for layer in (*(block.modulation[1] for block in self.blocks), self.modulation[1], self.out):
            nn.init.zeros_(layer.weight)


def normalised(tokens: torch.Tensor) -> torch.Tensor:
    """Return tokens after a layer norm without parameters."""
    return functional.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)


def _modulated(tokens: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return normalised(tokens) * (1.0 + scale) + shift


def _modulation(width: int, count: int) -> nn.Sequential:
    """Return what makes ``count`` shifts, scales and gates of an embedded time."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, count * width))
