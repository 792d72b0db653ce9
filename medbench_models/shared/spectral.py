"""Convolutions and linear layers with the spectral norm of BigGAN, whose states checkpoints of its kin hold.

PyTorch's own normalises alike, but names its tensors otherwise and leaves out the iteration in evaluation mode.

Source: Miyato et al. 2018 (arXiv 1802.05957), algorithm 1; Brock et al. 2019 (arXiv 1809.11096).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class _SpectralNorm(nn.Module):
    """Divides the weight by its largest singular value, estimated by one more power iteration in each pass.

    The buffers ``u0`` (1, out), the left singular vector, and ``sv0`` (1,), the value, keep what training found; a pass
    in evaluation mode iterates too, and keeps nothing.
    """

    weight: nn.Parameter
    u0: torch.Tensor
    sv0: torch.Tensor

    def _add_buffers(self, out: int) -> None:
        self.register_buffer("u0", torch.randn(1, out))
        self.register_buffer("sv0", torch.ones(1))

    def normalised(self) -> torch.Tensor:
        """Return the weight over its largest singular value; gradients pass through both, not through the vectors."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self.weight.flatten(1)
            with torch.no_grad():
                right = functional.normalize(self.u0 @ matrix, eps=1e-12)
                left = functional.normalize(right @ matrix.T, eps=1e-12)
            largest = (right @ matrix.T @ left.T).squeeze()
            if self.training:
                self.u0.copy_(left)
                self.sv0.copy_(largest.detach().view(1))
            return self.weight / largest


class SpectralConv3d(_SpectralNorm, nn.Conv3d):
    """``nn.Conv3d`` with spectral norm."""

    def __init__(self, *args: Any, **named: Any) -> None:
        nn.Conv3d.__init__(self, *args, **named)
        self._add_buffers(self.out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the convolution of (n, c, x, y, z) with the normalised weight."""
        return self._conv_forward(features, self.normalised(), self.bias)


class SpectralLinear(_SpectralNorm, nn.Linear):
    """``nn.Linear`` with spectral norm."""

    def __init__(self, *args: Any, **named: Any) -> None:
        nn.Linear.__init__(self, *args, **named)
        self._add_buffers(self.out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, out) of (n, in) by the normalised weight."""
        return functional.linear(features, self.normalised(), self.bias)
