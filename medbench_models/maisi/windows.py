"""Whole volumes through MAISI's autoencoder: at once where memory allows it, else in windows that are blended.

Its norms see a whole window, so that windows are an approximation (larger ones a better one) and part of what a seed
means. They depend on the latent's shape alone wherever a GPU has the 24 GB that MAISI's own settings are made for, and
on a CPU; less memory takes smaller windows. Parts within a window (num_splits) change nothing but memory.

Source: the settings of Project-MONAI/tutorials, generation/maisi, config_infer_24g_* and config_infer_16g_*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from monai.inferers import SlidingWindowInferer

from medbench.budget.prediction import CONTEXT_BYTES, MARGIN
from medbench_models.maisi.config import AutoencoderConfig
from medbench_models.maisi.networks import Autoencoder, require_exact_splits, splits_are_exact
from medbench_models.shared.memory import memory_limit

Positions = tuple[int, int, int]
Moments = TypeVar("Moments", torch.Tensor, tuple[torch.Tensor, ...])

# Beside the activations there are the latent and what the window is blended with.
_SPARE: Final = 1.1
# The residual unit at full resolution: its input, the norm of it, and the activation of that.
_TENSORS: Final = 3


@dataclass(frozen=True)
class Windows:
    """How a volume passes the autoencoder.

    Args:
        size: latent positions (x, y, z) of a window; a latent that is not larger passes at once.
        overlap: share of a window that it has in common with the next.
        splits: parts along y in which each convolution works.
    """

    size: Positions
    overlap: float
    splits: int

    def within(self, positions: Sequence[int]) -> Positions:
        """Return the window within a latent of some positions."""
        x, y, z = (min(size, there) for size, there in zip(self.size, positions))
        return x, y, z


_WHOLE: Final = Windows((64, 64, 64), 0.25, 4)
_FLAT: Final = Windows((80, 80, 32), 0.4, 2)
_DEEP: Final = Windows((64, 64, 48), 0.4, 2)
# In less memory than MAISI's settings for 24 GB need: those for 16 GB, and smaller ones.
_SMALLER: Final = (Windows((64, 64, 32), 0.5, 2), Windows((48, 48, 32), 0.5, 2), Windows((32, 32, 32), 0.5, 2))


def windows_for(
    config: AutoencoderConfig, positions: Sequence[int], *, itemsize: int, limit_bytes: float, kept_bytes: int = 0
) -> Windows:
    """Return the windows for a latent of some positions (x, y, z).

    Args:
        config: of the autoencoder.
        positions: of the latent.
        itemsize: bytes of one activation, 2 or 4.
        limit_bytes: memory in all, of which the prediction's margin is kept; infinite where nothing limits it, and
            nothing needs to be split.
        kept_bytes: of the tensors that are there.

    Returns:
        The first that fits, or else the smallest.
    """
    usual = _WHOLE if _holds(_WHOLE, positions) else _FLAT if positions[2] <= _FLAT.size[2] else _DEEP
    if math.isinf(limit_bytes):
        return Windows(usual.size, usual.overlap, splits=1)
    left = (limit_bytes - CONTEXT_BYTES) / (1.0 + MARGIN) - kept_bytes
    choice = (usual, *_SMALLER)

    def fits(windows: Windows) -> bool:
        return _SPARE * activation_bytes(config, windows.within(positions), itemsize=itemsize) <= left

    found = next((one for one in choice if fits(one)), choice[-1])
    length = config.factor * found.within(positions)[1]
    splits = next(n for n in range(found.splits, 0, -1) if splits_are_exact(length, n, factor=config.factor))
    return Windows(found.size, found.overlap, splits)


def activation_bytes(config: AutoencoderConfig, window: Sequence[int], *, itemsize: int) -> int:
    """Return what the activations of decoding a window take at most, in bytes; encoding takes less."""
    voxels = math.prod(window) * config.factor**3
    return _TENSORS * itemsize * config.channels[min(1, len(config.channels) - 1)] * voxels


def decode(autoencoder: Autoencoder, latent: torch.Tensor, windows: Windows | None = None) -> torch.Tensor:
    """Return the image (1, 1, x, y, z) float32 in 0..1 of a latent; windows are blended on the CPU.

    Args:
        autoencoder: in evaluation mode.
        latent: (1, c, ...), as the encoder gives it; its parts go to the autoencoder's device one by one.
        windows: None: as the device's memory demands.
    """
    return _in_windows(autoencoder, autoencoder.decode, latent, latent.shape[2:], windows)


def encode(autoencoder: Autoencoder, image: torch.Tensor, windows: Windows | None = None) -> tuple[torch.Tensor, ...]:
    """Return mean and deviation (1, c, x / factor, ...) float32 of an image (1, 1, x, y, z) in 0..1; see ``decode``."""
    positions = [size // autoencoder.factor for size in image.shape[2:]]
    return _in_windows(autoencoder, autoencoder.encode, image, positions, windows)


def through(autoencoder: Autoencoder, image: torch.Tensor) -> torch.Tensor:
    """Return an image (1, 1, x, y, z) in 0..1 after the autoencoder, by the latent's mean, on the image's device."""
    return decode(autoencoder, encode(autoencoder, image)[0]).to(image.device)


def _in_windows(
    autoencoder: Autoencoder,
    network: Callable[[torch.Tensor], Moments],
    whole: torch.Tensor,
    positions: Sequence[int],
    windows: Windows | None,
) -> Moments:
    weight = autoencoder.post_quant_conv.conv.weight
    windows = windows or _needed(autoencoder, positions)
    size = windows.within(positions)
    require_exact_splits(autoencoder.factor * size[1], windows.splits, factor=autoencoder.factor)
    autoencoder.split(windows.splits)

    def compute(part: torch.Tensor) -> Moments:
        found = network(part.to(weight))
        return tuple(one.float() for one in found) if isinstance(found, tuple) else found.float()

    try:
        if _holds(windows, positions):
            return compute(whole)
        scale = whole.shape[2] // positions[0]
        inferer = SlidingWindowInferer(
            [scale * one for one in size],
            overlap=windows.overlap,
            mode="gaussian",
            sw_device=weight.device,
            device="cpu",
        )
        found: Moments = inferer(whole.float(), compute)
        return found
    finally:
        autoencoder.split(1)


def _holds(windows: Windows, positions: Sequence[int]) -> bool:
    return math.prod(positions) <= math.prod(windows.size) and windows.within(positions) == tuple(positions)


def _needed(autoencoder: Autoencoder, positions: Sequence[int]) -> Windows:
    weight = autoencoder.post_quant_conv.conv.weight
    kept = torch.cuda.memory_allocated(weight.device) if weight.is_cuda else 0
    limit = memory_limit(weight.device)
    return windows_for(autoencoder.config, positions, itemsize=weight.itemsize, limit_bytes=limit, kept_bytes=kept)
