"""Dropout whose zeros in a sample are that sample's own, however a batch is divided among processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class SampleDropout(nn.Module):
    """``nn.Dropout`` that draws from a seed for each sample.

    Seeds, not sources with a state: where activations are computed again, the same zeros come again.

    Args:
        rate: chance with which a number becomes 0.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.seeds: Sequence[int] = ()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (n, ...), in training with zeros; there is a seed for each of the n."""
        if not self.training:
            return features
        kept = [self._kept(one, seed) for one, seed in zip(features, self.seeds, strict=True)]
        return features * torch.stack(kept) / (1.0 - self.rate)

    def _kept(self, features: torch.Tensor, seed: int) -> torch.Tensor:
        source = torch.Generator(features.device).manual_seed(seed)
        return torch.rand(features.shape, generator=source, device=features.device) >= self.rate


def by_sample(network: nn.Module) -> list[SampleDropout]:
    """Put such layers where a network has PyTorch's; return them."""
    parents = [
        (module, name)
        for module in network.modules()
        for name, child in module.named_children()
        if isinstance(child, nn.Dropout) and child.p > 0.0
    ]
    layers = [SampleDropout(getattr(module, name).p) for module, name in parents]
    for (module, name), layer in zip(parents, layers):
        setattr(module, name, layer)
    return layers


def seed_layers(layers: Sequence[SampleDropout], seeds: torch.Tensor) -> None:
    """Set what the layers drop in the next pass.

    Args:
        layers: of one network.
        seeds: (n, layers) int64.
    """
    for layer, own in zip(layers, seeds.T.tolist(), strict=True):
        layer.seeds = own
