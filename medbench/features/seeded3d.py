"""A small 3D residual network with seeded weights: the offline stand-in where no trained volume network is at hand.

Like its 2D sibling (``medbench.features.seeded``) it reacts to blur, noise, shifts of intensity and to where things
lie, but knows nothing of anatomy: its distances are comparable only with its own.

Recipe. A volume of more than 2^22 voxels is averaged over blocks first (``medbench.features.shrink``). Input v in
0..1 becomes 2v - 1. Four stages of 12, 16, 20 and 24 channels, each

    h = relu(conv3x3x3(h, stride 2)),   h = relu(h + conv3x3x3(relu(conv3x3x3(h)) / 2)),

padding 1, no biases, no normalisation. The features are each channel's mean and standard deviation over space (n in
the denominator), stage by stage, means first: 144 numbers. Weights are uniform in ±sqrt(6 / fan-in), drawn in the
order of the layers from the raw 64-bit stream of PCG64(20250314) as 2 (raw >> 11) / 2^53 - 1, in C order of
(out, in, 3, 3, 3). Filters 0 to 5 of the very first layer lose their mean: they answer to texture whatever the
brightness.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.features.base import ExtractorInfo
from medbench.features.shrink import shrunk

if TYPE_CHECKING:
    import torch

_SEED = 20250314
_WIDTHS = (12, 16, 20, 24)
_TEXTURE_FILTERS = 6
_MOST_VOXELS = 2**22


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
        dimension=2 * sum(_WIDTHS),
        stand_in=True,
        license="Apache-2.0",
        source="medbench.features.seeded3d: the recipe is in the module's docstring",
        sees="volumes",
    )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights' little-endian float32 bytes in the order of the layers."""
        return hashlib.sha256(b"".join(weight.astype("<f4").tobytes() for weight in seeded_weights())).hexdigest()

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features of a volume, in memory that does not grow with it beyond one copy.

        Args:
            voxels: (x, y, z) float32 in 0..1, any size.

        Returns:
            (144,) float32.
        """
        import torch

        # TF32 would make a CUDA device's features differ from a CPU's in the third digit.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            volume = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))[None, None].to(self.device)
            volume = shrunk(volume, most_voxels=_MOST_VOXELS)
            found: np.ndarray = _forward(2.0 * volume - 1.0, _layers(self.device)).cpu().numpy()
        return found


@functools.cache
def seeded_weights() -> tuple[np.ndarray, ...]:
    """Return the twelve float32 kernels (out, in, 3, 3, 3), three a stage."""
    stream = np.random.PCG64(_SEED)
    kernels: list[np.ndarray] = []
    channels = 1
    for width in _WIDTHS:
        for inputs in (channels, width, width):
            shape = (width, inputs, 3, 3, 3)
            unit = (stream.random_raw(int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
            kernels.append(unit.reshape(shape) * np.sqrt(6.0 / (inputs * 27)))
        channels = width
    texture = kernels[0][:_TEXTURE_FILTERS]
    # Summed in a fixed order: NumPy's own mean may add in another one on another platform.
    mean = functools.reduce(np.add, texture.reshape(_TEXTURE_FILTERS, 27).T) / 27.0
    texture -= mean[:, None, None, None, None]
    return tuple(kernel.astype(np.float32) for kernel in kernels)


@functools.lru_cache(maxsize=1)
def _layers(device: str) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(kernel).to(device) for kernel in seeded_weights()]


def _forward(volume: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    import torch
    from torch.nn.functional import conv3d

    hidden = volume
    pooled = []
    for down, first, second in zip(layers[0::3], layers[1::3], layers[2::3]):
        hidden = conv3d(hidden, down, stride=2, padding=1).relu_()
        branch = conv3d(conv3d(hidden, first, padding=1).relu_(), second, padding=1)
        hidden = (hidden + 0.5 * branch).relu_()
        spread, mean = torch.std_mean(hidden, dim=(2, 3, 4), correction=0)
        pooled += [mean, spread]
    return torch.cat(pooled, dim=1)[0]
