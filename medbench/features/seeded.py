"""Small residual networks with seeded weights: the offline stand-ins where no trained feature network is at hand.

Random features of several scales do react to blur, noise, shifts of intensity and to where things lie, in order of
strength, but they know nothing of anatomy: their distances are comparable only with their own.

Recipe. A volume of more than 2^22 voxels is averaged over blocks first (``medbench.features.shrink``). Input v in 0..1
becomes 2v - 1. Four stages of 16, 24, 32 and 48 channels for slices, of 12, 16, 20 and 24 for volumes, each

    h = relu(conv(h, stride 2)),   h = relu(h + conv(relu(conv(h)) / 2)),

with kernels of 3 along each axis, padding 1, no biases, no normalisation. The features of a slice are the spatial means
of the four stages' outputs: 120 numbers. Those of a volume are each channel's mean and standard deviation over space
(n in the denominator), stage by stage, means first: 144 numbers. Weights are uniform in ±sqrt(6 / fan-in), drawn in the
order of the layers from the raw 64-bit stream of PCG64(20250313) for slices and PCG64(20250314) for volumes as
2 (raw >> 11) / 2^53 - 1, in C order of (out, in, 3, 3[, 3]), so that no version of NumPy or torch and no platform can
change them. Filters 0 to 7 (volumes: 0 to 5) of the very first layer lose their mean: without it they answer to texture
whatever the brightness.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_slices, features_of_volume

if TYPE_CHECKING:
    import torch

_BATCH_PIXELS = 2**20
_MOST_VOXELS = 2**22


@dataclass(frozen=True)
class _Recipe:
    axes: int
    seed: int
    widths: tuple[int, ...]
    texture_filters: int


SLICES = _Recipe(axes=2, seed=20250313, widths=(16, 24, 32, 48), texture_filters=8)
VOLUMES = _Recipe(axes=3, seed=20250314, widths=(12, 16, 20, 24), texture_filters=6)


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
        dimension=sum(SLICES.widths),
        stand_in=True,
        license="Apache-2.0",
        source="medbench.features.seeded: the recipe is in the module's docstring",
        trained_on="nothing: random weights",
    )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights' little-endian float32 bytes in the order of the layers."""
        return _sha256(SLICES)

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features (n, 120) float32 of slices (n, height, width) in 0..1, of any size."""
        batch = max(1, _BATCH_PIXELS // (slices.shape[1] * slices.shape[2]))
        return features_of_slices(slices, _means, batch=batch, dimension=self.info.dimension, device=self.device)


@dataclass(frozen=True, kw_only=True)
class SeededResNet3d:
    """144 features a volume from a seeded, untrained 3D network.

    Args:
        device: torch device.
    """

    device: str

    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="seeded-resnet3d",
        version="1",
        dimension=2 * sum(VOLUMES.widths),
        stand_in=True,
        license="Apache-2.0",
        source="medbench.features.seeded: the recipe is in the module's docstring",
        trained_on="nothing: random weights",
        sees="volumes",
    )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights' little-endian float32 bytes in the order of the layers."""
        return _sha256(VOLUMES)

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features (144,) float32 of voxels (x, y, z) in 0..1, of any size."""
        return features_of_volume(voxels, _means_and_spreads, most_voxels=_MOST_VOXELS, device=self.device)


def _means(slices: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([stage.mean(dim=(2, 3)) for stage in _stages(SLICES, slices[:, None])], dim=1)


def _means_and_spreads(volume: torch.Tensor) -> torch.Tensor:
    import torch

    pooled = []
    for stage in _stages(VOLUMES, volume):
        spread, mean = torch.std_mean(stage, dim=(2, 3, 4), correction=0)
        pooled += [mean, spread]
    return torch.cat(pooled, dim=1)


def _stages(recipe: _Recipe, images: torch.Tensor) -> Iterator[torch.Tensor]:
    from torch.nn.functional import conv2d, conv3d

    convolution = conv2d if recipe.axes == 2 else conv3d
    layers = _layers(recipe, str(images.device))
    hidden = 2.0 * images - 1.0
    for down, first, second in zip(layers[0::3], layers[1::3], layers[2::3]):
        hidden = convolution(hidden, down, stride=2, padding=1).relu_()
        branch = convolution(convolution(hidden, first, padding=1).relu_(), second, padding=1)
        hidden = (hidden + 0.5 * branch).relu_()
        yield hidden


@functools.lru_cache(maxsize=2)
def _layers(recipe: _Recipe, device: str) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(kernel).to(device) for kernel in seeded_weights(recipe)]


def _sha256(recipe: _Recipe) -> str:
    kernels = seeded_weights(recipe)
    return hashlib.sha256(b"".join(kernel.astype("<f4").tobytes() for kernel in kernels)).hexdigest()


@functools.cache
def seeded_weights(recipe: _Recipe) -> tuple[np.ndarray, ...]:
    """Return the twelve float32 kernels (out, in, 3, 3[, 3]) of ``SLICES`` or ``VOLUMES``, three a stage."""
    stream = np.random.PCG64(recipe.seed)
    taps = 3**recipe.axes
    kernels: list[np.ndarray] = []
    channels = 1
    for width in recipe.widths:
        for inputs in (channels, width, width):
            shape = (width, inputs, *[3] * recipe.axes)
            unit = (stream.random_raw(int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
            kernels.append(unit.reshape(shape) * np.sqrt(6.0 / (inputs * taps)))
        channels = width
    texture = kernels[0][: recipe.texture_filters].reshape(recipe.texture_filters, taps)
    # Summed in a fixed order: NumPy's own mean may add in another one on another platform.
    texture -= functools.reduce(np.add, texture.T)[:, None] / float(taps)
    return tuple(kernel.astype(np.float32) for kernel in kernels)
