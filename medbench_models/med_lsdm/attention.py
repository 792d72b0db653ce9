"""The three attentions of Med-LSDM's U-Net: along the depth, within axial planes, and within them in linear time.

Source: Ho et al. 2022 (arXiv 2204.03458), video diffusion: the frames are axial slices here.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import nn
from torch.nn import functional

_HEAD_CHANNELS: Final = 32  # of the attentions within planes, whatever those along the depth have
_ROTATED: Final = 32  # channels of a head that are rotated at most
_BUCKETS, _FURTHEST = 32, 32


class ChannelNorm(nn.Module):
    """A layer norm over the channels, with a scale and no shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, z, x, y)."""
        rows = functional.layer_norm(features.movedim(1, -1), features.shape[1:2])
        return rows.movedim(-1, 1) * self.gamma


class Residual(nn.Module):
    """What is around a layer: its input passes by."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.fn = layer

    def forward(self, features: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        found: torch.Tensor = features + self.fn(features, *others)
        return found


class Normed(nn.Module):
    """What is around a layer: its input is normalised."""

    def __init__(self, channels: int, layer: nn.Module) -> None:
        super().__init__()
        self.fn = layer
        self.norm = ChannelNorm(channels)

    def forward(self, features: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        found: torch.Tensor = self.fn(self.norm(features), *others)
        return found


class Named(nn.Module):
    """A layer one name deeper, where the published weights have it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.fn = layer

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        found: torch.Tensor = self.fn(*inputs)
        return found


class Rotary(nn.Module):
    """Rotation of queries and keys by their position: their products then depend on the distance.

    Args:
        head_channels: of which the first 32 are rotated, in pairs of neighbours.

    Source: Su et al. 2021 (arXiv 2104.09864), eq. 34.
    """

    freqs: torch.Tensor

    def __init__(self, head_channels: int) -> None:
        super().__init__()
        rotated = min(_ROTATED, head_channels)
        self.register_buffer("freqs", 10000.0 ** (-torch.arange(0, rotated, 2).float() / rotated))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (..., positions, channels), rotated."""
        freqs = self.freqs.float()
        angles = torch.arange(tokens.shape[-2], device=freqs.device)[:, None] * freqs
        cos, sin = angles.cos().to(tokens), angles.sin().to(tokens)
        pairs, rest = tokens[..., : 2 * len(freqs)].unflatten(-1, (-1, 2)), tokens[..., 2 * len(freqs) :]
        first, second = pairs.unbind(-1)
        turned = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1)
        return torch.cat([turned.flatten(-2), rest], dim=-1)


class RelativeBias(nn.Module):
    """What is added to the products of queries and keys by their signed distance along the depth.

    Distances below 8 have a bucket each, larger ones share logarithmic ones, those of 32 and more the last.

    Source: Raffel et al. 2020 (arXiv 1910.10683), section 2.1.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.relative_attention_bias = nn.Embedding(_BUCKETS, heads)

    def forward(self, positions: int) -> torch.Tensor:
        """Return the bias (heads, positions, positions) of queries and keys."""
        places = torch.arange(positions, device=self.relative_attention_bias.weight.device)
        found: torch.Tensor = self.relative_attention_bias(buckets(places[:, None] - places[None]))
        return found.movedim(-1, 0)


def buckets(distances: torch.Tensor) -> torch.Tensor:
    """Return the bucket of each distance (query minus key), an integer.

    >>> buckets(torch.tensor([0, 7, 31, 100, -1, -100])).tolist()
    [0, 7, 15, 15, 17, 31]
    """
    half = _BUCKETS // 2
    exact = half // 2
    size = distances.abs()
    spread = (size.clamp(min=1).float() / exact).log() / math.log(_FURTHEST / exact)
    large = (exact + (spread * (half - exact)).long()).clamp(max=half - 1)
    return torch.where(size < exact, size, large) + (distances < 0) * half


class DepthAttention(nn.Module):
    """Attention of each axial position to itself along the depth: all that mixes slices.

    Args:
        channels: of the features.
        heads: of the attention.
        head_channels: of each.
    """

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_emb = Rotary(head_channels)
        self.to_qkv = nn.Linear(channels, 3 * heads * head_channels, bias=False)
        self.to_out = nn.Linear(heads * head_channels, channels, bias=False)

    def forward(self, features: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, z, x, y); ``bias`` is (heads, z, z)."""
        n, _, z, x, y = features.shape
        tokens = features.permute(0, 3, 4, 2, 1).flatten(0, 2)
        query, key, value = _heads(self.to_qkv(tokens), self.heads)
        query, key = self.rotary_emb(query), self.rotary_emb(key)
        mask = bias.to(query).expand(len(query), -1, -1, -1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        found: torch.Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return found.view(n, x, y, z, -1).permute(0, 4, 3, 1, 2)


class PlaneAttention(nn.Module):
    """Attention among all positions of an axial plane."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * heads * _HEAD_CHANNELS, bias=False)
        self.to_out = nn.Linear(heads * _HEAD_CHANNELS, channels, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, z, x, y)."""
        n, _, z, x, y = features.shape
        tokens = features.permute(0, 2, 3, 4, 1).reshape(n * z, x * y, -1)
        query, key, value = _heads(self.to_qkv(tokens), self.heads)
        attended = functional.scaled_dot_product_attention(query, key, value)
        found: torch.Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return found.view(n, z, x, y, -1).permute(0, 4, 1, 2, 3)


class LinearPlaneAttention(nn.Module):
    """Attention within an axial plane whose time and memory grow with its positions, not with their square.

    Source: Shen et al. 2018 (arXiv 1812.01243), efficient attention.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Conv2d(channels, 3 * heads * _HEAD_CHANNELS, 1, bias=False)
        self.to_out = nn.Conv2d(heads * _HEAD_CHANNELS, channels, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, z, x, y)."""
        n, z = features.shape[0], features.shape[2]
        planes = features.transpose(1, 2).flatten(0, 1)
        query, key, value = (
            part.unflatten(1, (self.heads, _HEAD_CHANNELS)).flatten(3) for part in self.to_qkv(planes).chunk(3, dim=1)
        )
        query, key = query.softmax(dim=-2) * _HEAD_CHANNELS**-0.5, key.softmax(dim=-1)
        context = key @ value.transpose(-1, -2)
        attended = (context.transpose(-1, -2) @ query).reshape(n * z, -1, *planes.shape[2:])
        found: torch.Tensor = self.to_out(attended)
        return found.unflatten(0, (n, z)).transpose(1, 2)


def depth_attention(channels: int, heads: int, head_channels: int) -> Residual:
    """Return an attention along the depth, normed and residual."""
    return Residual(Normed(channels, Named(DepthAttention(channels, heads, head_channels))))


def plane_attention(channels: int, heads: int) -> Residual:
    """Return an attention within axial planes, normed and residual."""
    return Residual(Normed(channels, Named(PlaneAttention(channels, heads))))


def linear_attention(channels: int, heads: int) -> Residual:
    """Return a linear attention within axial planes, normed and residual."""
    return Residual(Normed(channels, LinearPlaneAttention(channels, heads)))


def _heads(projected: torch.Tensor, heads: int) -> list[torch.Tensor]:
    """Return queries, keys and values (n, heads, tokens, channels) of their common projection (n, tokens, ...)."""
    return [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in projected.chunk(3, dim=-1)]
