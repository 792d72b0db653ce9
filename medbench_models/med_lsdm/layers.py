"""What both networks of Med-LSDM are made of: convolutions with repeated borders, and the norm that label maps steer.

Arrays are (n, c, z, x, y): the depth comes first, as the published weights have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

_SPADE_GROUPS = 8


def same_padding(kernel: int, stride: int) -> tuple[int, ...]:
    """Return the padding of all three axes, for ``functional.pad``, that leaves ``size / stride`` positions.

    >>> same_padding(4, 2), same_padding(3, 1)
    ((1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 1))
    """
    total = kernel - stride
    return (total - total // 2, total // 2) * 3


class SamePadConv3d(nn.Module):
    """A convolution whose input is padded with its border.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: of all axes.
        stride: of all axes, which divides their sizes.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.padding = same_padding(kernel, stride)
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, stride=stride)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, out_channels, z / stride, ...)."""
        found: torch.Tensor = self.conv(functional.pad(features, self.padding, mode="replicate"))
        return found


class SamePadConvTranspose3d(nn.Module):
    """A transposed convolution whose input is padded with its border; arguments as for ``SamePadConv3d``."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.padding = same_padding(kernel, stride)
        self.convt = nn.ConvTranspose3d(in_channels, out_channels, kernel, stride=stride, padding=kernel - 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, out_channels, stride z, ...)."""
        found: torch.Tensor = self.convt(functional.pad(features, self.padding, mode="replicate"))
        return found


class Spade(nn.Module):
    """A group norm without weights of its own: a label map gives each position its scale and shift.

    MONAI's ``SPADE`` is another network: it normalises scale and shift as well, which takes their means away.

    Args:
        channels: of the features.
        map_channels: of the map.
        hidden: channels between.

    Source: Park et al. 2019 (arXiv 1903.07291), eq. 1, with axial convolutions.
    """

    def __init__(self, channels: int, map_channels: int, hidden: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(axial_conv(map_channels, hidden, 3), nn.ReLU())
        self.mlp_gamma = axial_conv(hidden, channels, 3)
        self.mlp_beta = axial_conv(hidden, channels, 3)

    def forward(self, features: torch.Tensor, label_map: torch.Tensor) -> torch.Tensor:
        """Return the features (n, c, z, x, y), normalised and steered by a map (n, map_channels, ...) of any size."""
        shared = self.mlp_shared(functional.interpolate(label_map, features.shape[2:], mode="nearest"))
        normal = functional.group_norm(features, _SPADE_GROUPS)
        found: torch.Tensor = normal * (1.0 + self.mlp_gamma(shared)) + self.mlp_beta(shared)
        return found


def axial_conv(in_channels: int, out_channels: int, kernel: int) -> nn.Conv3d:
    """Return a convolution within axial planes that keeps their size."""
    return nn.Conv3d(in_channels, out_channels, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2))


def depth_first(array: torch.Tensor) -> torch.Tensor:
    """Return an array (n, c, x, y, z) as the networks see it: (n, c, z, x, y)."""
    return array.movedim(-1, 2)


def depth_last(array: torch.Tensor) -> torch.Tensor:
    """Return an array (n, c, z, x, y) of the networks as (n, c, x, y, z)."""
    return array.movedim(2, -1)


def latent_shape(shape: Sequence[int], channels: int, factor: int) -> tuple[int, int, int, int]:
    """Return the shape (c, z, x, y) of the latent of a volume (x, y, z)."""
    x, y, z = (size // factor for size in shape)
    return channels, z, x, y
