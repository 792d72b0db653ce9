"""Batch norms whose statistics are those of the batches of all processes, on any device.

PyTorch's SyncBatchNorm is this for GPUs alone.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medbench.training.gathering import processes, summed


class _AllProcesses(_BatchNorm):
    """Where there are several processes that train, each with as many numbers; else as PyTorch has it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, ...) with a mean of 0 and a variance of 1 in each channel, scaled and shifted."""
        if processes() == 1 or not self.training:
            return super().forward(features)
        with torch.autocast(features.device.type, enabled=False):
            return self._normalised(features.float()).to(features)

    def _normalised(self, features: torch.Tensor) -> torch.Tensor:
        axes = [axis for axis in range(features.ndim) if axis != 1]
        mean = _mean(features, axes)
        centred = features - mean
        variance = _mean(centred.square(), axes)
        self._keep(mean.flatten(), variance.flatten(), features.numel() // features.shape[1])
        scale = torch.rsqrt(variance + self.eps) * self.weight.view_as(variance)
        return centred * scale + self.bias.view_as(variance)

    @torch.no_grad()
    def _keep(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        count *= processes()
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)


class BatchNorm2d(_AllProcesses, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` over all processes."""


class BatchNorm3d(_AllProcesses, nn.BatchNorm3d):
    """``nn.BatchNorm3d`` over all processes."""


def _mean(features: torch.Tensor, axes: list[int]) -> torch.Tensor:
    return summed(features.mean(axes, keepdim=True)) / processes()
