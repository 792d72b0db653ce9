"""RadImageNet's slice features computed in half precision: for GPUs, whose half arithmetic is several times faster.

Another network to every fingerprint, since its features are others, by about a thousandth. What that changes of each
number: ``tests/benchmarks/test_half.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_slices, file_sha256, loaded
from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50, batches, in_parts, load
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True, kw_only=True)
class RadImageNetResNet50Half:
    """2048 features a slice: as ``RadImageNetResNet50``, weights and maps in float16.

    The means of the colours are taken off and the last maps are averaged in float32.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = replace(RadImageNetResNet50.info, name="radimagenet-resnet50-half")
    weights_sha256 = file_sha256

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features (n, 2048) float32 of slices (n, height, width) in 0..1, of any size.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        front, back = batches(slices)
        forward = partial(in_parts, loaded(WEIGHTS, _load, self.device), step=front)
        return features_of_slices(slices, forward, batch=back, dimension=self.info.dimension, device=self.device)


def _load(path: Path) -> torch.nn.Sequential:
    import torch
    from torch import nn

    class As(nn.Module):
        """Turns maps into another type of number."""

        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.dtype = dtype

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps.to(self.dtype)

    front, back = load(path).children()
    colours, *early = front.children()
    layer3, layer4, *pooling = back.children()
    for layer in (*early, layer3, layer4):
        layer.half()
    return nn.Sequential(
        nn.Sequential(colours, As(torch.float16), *early), nn.Sequential(layer3, layer4, As(torch.float32), *pooling)
    )
