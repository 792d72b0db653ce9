"""A small residual network with seeded weights: the offline stand-in where no trained feature network is at hand.

Random features of several scales do react to blur, noise and shifts of intensity, in order of strength, but they know
nothing of anatomy: its distances are comparable only with its own.

Recipe. Input v in 0..1 becomes 2v - 1. Four stages of 16, 24, 32 and 48 channels, each

    h = relu(conv3x3(h, stride 2)),   h = relu(h + conv3x3(relu(conv3x3(h)) / 2)),

padding 1, no biases, no normalisation. The features of a slice are the spatial means of the four stages' outputs: 120
numbers. Weights are uniform in ±sqrt(6 / fan-in), drawn in the order of the layers from the raw 64-bit stream of
PCG64(20250313) as 2 (raw >> 11) / 2^53 - 1, in C order of (out, in, 3, 3), so that no version of NumPy or torch and
no platform can change them. Filters 0 to 7 of the very first layer lose their mean: without it they answer to texture
whatever the brightness.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.features.base import ExtractorInfo

if TYPE_CHECKING:
    import torch

_SEED = 20250313
_WIDTHS = (16, 24, 32, 48)
_TEXTURE_FILTERS = 8
_BATCH_PIXELS = 2**20


@dataclass(frozen=True, kw_only=True)
class SeededResNet:
    """120 features a slice from a seeded, untrained network.

    Args:
        device: torch device.
    """

    device: str

    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="seeded-resnet",
        version="1",
        dimension=sum(_WIDTHS),
        stand_in=True,
        license="Apache-2.0",
        source="medbench.features.seeded: the recipe is in the module's docstring",
    )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights' little-endian float32 bytes in the order of the layers."""
        return hashlib.sha256(b"".join(weight.astype("<f4").tobytes() for weight in seeded_weights())).hexdigest()

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features of slices.

        Args:
            slices: (n, height, width) float32 in 0..1, any size.

        Returns:
            (n, 120) float32.
        """
        import torch

        layers = _layers(self.device)
        batch = max(1, _BATCH_PIXELS // (slices.shape[1] * slices.shape[2]))
        found = np.empty((len(slices), self.info.dimension), dtype=np.float32)
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for start in range(0, len(slices), batch):
                grey = torch.from_numpy(np.ascontiguousarray(slices[start : start + batch], dtype=np.float32))
                found[start : start + batch] = (
                    _forward(2.0 * grey.to(self.device).unsqueeze(1) - 1.0, layers).cpu().numpy()
                )
        return found


@functools.cache
def seeded_weights() -> tuple[np.ndarray, ...]:
    """Return the twelve float32 kernels (out, in, 3, 3), three a stage."""
    stream = np.random.PCG64(_SEED)
    kernels: list[np.ndarray] = []
    channels = 1
    for width in _WIDTHS:
        for inputs in (channels, width, width):
            shape = (width, inputs, 3, 3)
            unit = (stream.random_raw(int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
            kernels.append(unit.reshape(shape) * np.sqrt(6.0 / (inputs * 9)))
        channels = width
    texture = kernels[0][:_TEXTURE_FILTERS]
    # Summed in a fixed order: NumPy's own mean may add in another one on another platform.
    texture -= functools.reduce(np.add, texture.reshape(_TEXTURE_FILTERS, 9).T)[:, None, None, None] / 9.0
    return tuple(kernel.astype(np.float32) for kernel in kernels)


@functools.lru_cache(maxsize=1)
def _layers(device: str) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(kernel).to(device) for kernel in seeded_weights()]


def _forward(images: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    import torch
    from torch.nn.functional import conv2d

    hidden = images
    means = []
    for down, first, second in zip(layers[0::3], layers[1::3], layers[2::3]):
        hidden = conv2d(hidden, down, stride=2, padding=1).relu_()
        branch = conv2d(conv2d(hidden, first, padding=1).relu_(), second, padding=1)
        hidden = (hidden + 0.5 * branch).relu_()
        means.append(hidden.mean(dim=(2, 3)))
    return torch.cat(means, dim=1)
