"""The semantic diffusion U-Net of Med-LSDM: noise in a latent, predicted under the guidance of a label map.

Convolutions stay within axial planes; slices are mixed by attention along the depth alone, and no weight depends on how
many there are. The way down sees no label map, the way up and the middle see it in every norm.

Source: Tang et al. 2025 (arXiv 2507.00206); SPADE in a diffusion model: Wang et al. 2022 (arXiv 2207.00050).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from medbench.training.checkpointing import checkpoint_activations
from medbench_models.med_lsdm.attention import RelativeBias, depth_attention, linear_attention, plane_attention
from medbench_models.med_lsdm.config import UnetConfig
from medbench_models.med_lsdm.layers import Spade, axial_conv

_GROUPS = 8
_SLAB = 16  # padded slices of a label map that are encoded at once; even, since they are pooled in pairs


class TimeEmbedding(nn.Module):
    """Sines and cosines of time steps (n,), as the transformer's positions have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.scales = [math.exp(-math.log(10000.0) * index / (half - 1)) for index in range(half)]

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """Return the embedding (n, channels)."""
        angles = times.float()[:, None] * torch.tensor(self.scales, device=times.device)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Block(nn.Module):
    """A residual block that a time step may scale and shift and, with ``map_channels``, a label map steers.

    Args:
        before: channels of the input.
        channels: of the output.
        time_channels: of the time's embedding; None: the time says nothing here.
        map_channels: of the label map; None: plain group norms.
        hidden: channels within a norm that is steered.
    """

    def __init__(
        self,
        before: int,
        channels: int,
        *,
        time_channels: int | None = None,
        map_channels: int | None = None,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.mlp = None if time_channels is None else nn.Sequential(nn.SiLU(), nn.Linear(time_channels, 2 * channels))
        self.conv1, self.conv2 = axial_conv(before, channels, 3), axial_conv(channels, channels, 3)
        if map_channels is None:
            self.norm1, self.norm2 = nn.GroupNorm(_GROUPS, before), nn.GroupNorm(_GROUPS, channels)
        else:
            self.spade_norm1 = Spade(before, map_channels, hidden)
            self.spade_norm2 = Spade(channels, map_channels, hidden)
        self.res_conv = nn.Identity() if before == channels else nn.Conv3d(before, channels, 1)

    def forward(
        self, features: torch.Tensor, time: torch.Tensor, label_map: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return features (n, channels, z, x, y)."""
        hidden = self.conv1(functional.silu(self._normed(1, features, label_map)))
        hidden = self._normed(2, hidden, label_map)
        if self.mlp is not None:
            scale, shift = self.mlp(time)[:, :, None, None, None].chunk(2, dim=1)
            hidden = hidden * (scale + 1.0) + shift
        found: torch.Tensor = self.conv2(functional.silu(hidden)) + self.res_conv(features)
        return found

    def _normed(self, number: int, features: torch.Tensor, label_map: torch.Tensor | None) -> torch.Tensor:
        if label_map is None:
            return getattr(self, f"norm{number}")(features)
        return getattr(self, f"spade_norm{number}")(features, label_map)


class Projection(nn.Module):
    """A convolution, a norm and SiLU."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.proj = axial_conv(before, channels, 3)
        self.norm = nn.GroupNorm(_GROUPS, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, channels, z, x, y)."""
        return functional.silu(self.norm(self.proj(features)))


class FinalBlock(nn.Module):
    """The residual block at the end, which neither time nor map tells anything."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.block1, self.block2 = Projection(before, channels), Projection(channels, channels)
        self.res_conv = nn.Conv3d(before, channels, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, channels, z, x, y)."""
        found: torch.Tensor = self.block2(self.block1(features)) + self.res_conv(features)
        return found


class MapEncoder(nn.Module):
    """A one-hot map at full resolution, encoded at a quarter of it.

    Its convolutions have one slice and are padded along the depth all the same, so that each adds a slice at either
    end: 32 slices become 11, not 8, and the nearest ones are taken where the map steers. That is part of the weights.

    Args:
        classes: channels of the map.
        widths: of the first two convolutions.
        channels: of the result.
    """

    def __init__(self, classes: int, widths: tuple[int, int], channels: int) -> None:
        super().__init__()
        sizes = [classes, *widths, channels]
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv3d(before, width, (1, 3, 3), padding=(0, 1, 1)) for before, width in itertools.pairwise(sizes)
        )
        self.pooled1, self.pooled2 = Pooled(), Pooled()

    def forward(self, label_map: torch.Tensor) -> torch.Tensor:
        """Return the encoded map (n, channels, about z / 4 + 3, x / 4, y / 4)."""
        hidden = self.pooled2(self.conv2, self.pooled1(self.conv1, label_map))
        found: torch.Tensor = functional.relu(self.conv3(functional.pad(hidden, (0, 0, 0, 0, 1, 1))))
        return found


class Pooled(nn.Module):
    """A convolution, ReLU and the maximum of each 2 x 2 x 2 positions, in slabs: no slice needs another's."""

    def __init__(self) -> None:
        super().__init__()
        self.slab = PooledSlab()

    def forward(self, convolution: nn.Conv3d, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, z / 2 + 1, x / 2, y / 2)."""
        depth = features.shape[2]
        pooled = []
        for start in range(0, (depth + 2) // 2 * 2, _SLAB):  # counted with the empty slice before the first
            stop = min(start + _SLAB, (depth + 2) // 2 * 2)
            slab = features[:, :, max(0, start - 1) : stop - 1]
            ends = (0, 0, 0, 0, int(start == 0), max(0, stop - 1 - depth))
            pooled.append(self.slab(convolution, functional.pad(slab, ends)))
        return torch.cat(pooled, dim=2)


class PooledSlab(nn.Module):
    """A slab of it, by itself: its activations are the largest there are."""

    def forward(self, convolution: nn.Conv3d, slab: torch.Tensor) -> torch.Tensor:
        """Return the slab's features of half the size."""
        return functional.max_pool3d(functional.relu(convolution(slab.to(convolution.weight))), 2)


class Unet(nn.Module):
    """The U-Net.

    Args:
        config: architecture.
        channels: of a latent.
        classes: channels of a one-hot label map.
    """

    def __init__(self, config: UnetConfig, channels: int, classes: int) -> None:
        super().__init__()
        width, time_channels = config.width, 4 * config.width
        widths = [width, *(width * multiplier for multiplier in config.multipliers)]
        levels = list(itertools.pairwise(widths))
        steered = {"map_channels": config.spade_channels or classes, "hidden": config.spade_hidden}
        self.time_rel_pos_bias = RelativeBias(config.heads)
        self.init_conv = axial_conv(channels, width, 7)
        self.init_temporal_attn = self._along(config, width)
        self.time_mlp = nn.Sequential(
            TimeEmbedding(width), nn.Linear(width, time_channels), nn.GELU(), nn.Linear(time_channels, time_channels)
        )
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (before, after) in enumerate(levels):
            block, last = Block(before, after, time_channels=time_channels), level == len(levels) - 1
            rest = nn.Identity() if last else nn.Conv3d(after, after, **_HALVING)
            self.downs.append(self._level(config, block, after, rest))
        deepest = widths[-1]
        self.mid_block1 = Block(deepest, deepest, **steered)
        self.mid_spatial_attn = plane_attention(deepest, config.heads)
        self.mid_temporal_attn = self._along(config, deepest)
        self.mid_block2 = Block(deepest, deepest, **steered)
        for level, (before, after) in reversed(list(enumerate(levels))):
            block = Block(2 * after, before, time_channels=time_channels, **steered)
            rest = nn.Identity() if level == 0 else nn.ConvTranspose3d(before, before, **_HALVING)
            self.ups.append(self._level(config, block, before, rest))
        self.final_conv = nn.Sequential(FinalBlock(2 * width, width), nn.Conv3d(width, channels, 1))
        if config.spade_channels is not None:
            self.segconv3d = MapEncoder(classes, config.encoder_widths, config.spade_channels)

    @staticmethod
    def _along(config: UnetConfig, channels: int) -> nn.Module:
        return depth_attention(channels, config.heads, config.head_channels)

    def _level(self, config: UnetConfig, block: Block, channels: int, rest: nn.Module) -> nn.ModuleList:
        return nn.ModuleList([block, linear_attention(channels, config.heads), self._along(config, channels), rest])

    def forward(self, latent: torch.Tensor, times: torch.Tensor, label_map: torch.Tensor) -> torch.Tensor:
        """Return the noise in noisy latents.

        Args:
            latent: (n, c, z, x, y).
            times: (n,) time steps.
            label_map: (n, classes, 4 z, 4 x, 4 y), one-hot, of any type.
        """
        return self.steered(latent, times, self.encoded(label_map))

    def encoded(self, label_map: torch.Tensor) -> torch.Tensor:
        """Return what the norms see of a label map; sampling needs it once for all steps."""
        if hasattr(self, "segconv3d"):
            found: torch.Tensor = self.segconv3d(label_map)
            return found
        return label_map.to(self.init_conv.weight)

    def steered(self, latent: torch.Tensor, times: torch.Tensor, encoded: torch.Tensor) -> torch.Tensor:
        """Return what ``forward`` does, from a label map that was encoded before."""
        bias, first = self.time_rel_pos_bias(latent.shape[2]), self.init_conv(latent)
        hidden = self.init_temporal_attn(first, bias)
        time, skips = self.time_mlp[1:](self.time_mlp[0](times).to(latent)), []
        for block, planes, depth, shrink in self.downs:
            hidden = depth(planes(block(hidden, time)), bias)
            skips.append(hidden)
            hidden = shrink(hidden)
        hidden = self.mid_spatial_attn(self.mid_block1(hidden, time, encoded))
        hidden = self.mid_block2(self.mid_temporal_attn(hidden, bias), time, encoded)
        for block, planes, depth, grow in self.ups:
            hidden = block(torch.cat([hidden, skips.pop()], dim=1), time, encoded)
            hidden = grow(depth(planes(hidden), bias))
        found: torch.Tensor = self.final_conv(torch.cat([hidden, first], dim=1))
        return found


_HALVING = {"kernel_size": (1, 4, 4), "stride": (1, 2, 2), "padding": (0, 1, 1)}


def checkpoint_layers(unet: Unet) -> None:
    """Let the layers whose activations are large compute them again in the backward pass instead of keeping them."""
    checkpoint_activations(_layers_of(unet))


def _layers_of(unet: Unet) -> Iterator[nn.Module]:
    yield unet.init_temporal_attn
    for level in (*unet.downs, *unet.ups):
        yield from level[:3]
    yield from (unet.mid_block1, unet.mid_spatial_attn, unet.mid_temporal_attn, unet.mid_block2, unet.final_conv[0])
    if hasattr(unet, "segconv3d"):
        yield from (unet.segconv3d.pooled1.slab, unet.segconv3d.pooled2.slab)
