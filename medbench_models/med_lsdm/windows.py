"""Whole volumes through Med-LSDM's VQ-GAN: at once where they are no larger than its window, else in windows.

Its norms see all that passes at once. It is trained on crops of one size, and given windows of that size: the numbers
that its norms see are of the kind that it has learnt with. Windows overlap and are blended, by MONAI's inferer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from monai.inferers import SlidingWindowInferer

from medbench_models.med_lsdm.config import FACTOR, AutoencoderConfig
from medbench_models.med_lsdm.layers import depth_first, depth_last
from medbench_models.med_lsdm.vqgan import VqGan
from medbench_models.shared.precision import decoding_autocast

_OVERLAP = 0.25


def encode(vqgan: VqGan, image: torch.Tensor) -> torch.Tensor:
    """Return the latent (1, c, z / 4, x / 4, y / 4), not quantised, of an image (1, 1, x, y, z) in -1..1.

    Args:
        vqgan: in evaluation mode; windows go to its device one by one.
        image: on any device; sizes that 4 divides.
    """
    return _in_windows(vqgan.encode, depth_first(image), _window(vqgan.config), _device(vqgan))


def decode(vqgan: VqGan, quantised: torch.Tensor, label_map: torch.Tensor | None = None) -> torch.Tensor:
    """Return the image (1, 1, x, y, z) in -1..1 of codes (1, c, z, x, y), in the device's precision of sampling.

    Args:
        vqgan: in evaluation mode.
        quantised: codes.
        label_map: (1, classes, 4 z, 4 x, 4 y) one-hot, for a decoder that it steers, which takes all at once.
    """
    if label_map is not None:
        with decoding_autocast(quantised.device):
            return depth_last(vqgan.decode(quantised, label_map).float())

    def network(codes: torch.Tensor) -> torch.Tensor:
        with decoding_autocast(codes.device):
            return vqgan.decode(codes).float()

    size = [positions // FACTOR for positions in _window(vqgan.config)]
    return depth_last(_in_windows(network, quantised, size, _device(vqgan)))


def through(vqgan: VqGan, image: torch.Tensor) -> torch.Tensor:
    """Return an image (1, 1, x, y, z) in -1..1 after the VQ-GAN, on the image's device."""
    latent = encode(vqgan, image).to(_device(vqgan))
    return decode(vqgan, vqgan.codebook(latent)[0]).to(image.device)


def passes_at_once(config: AutoencoderConfig, shape: Sequence[int]) -> list[int]:
    """Return the voxels (x, y, z) of a volume's windows."""
    return [min(size, there) for size, there in zip(config.window, shape)]


def _in_windows(
    network: Callable[[torch.Tensor], torch.Tensor], whole: torch.Tensor, size: Sequence[int], device: torch.device
) -> torch.Tensor:
    """Return a network's output on an array (1, c, z, x, y); where it takes several windows, it lies on the CPU."""
    there = whole.shape[2:]
    if all(positions <= most for positions, most in zip(there, size)):
        return network(whole.to(device))
    window = [min(positions, most) for positions, most in zip(there, size)]
    inferer = SlidingWindowInferer(window, overlap=_OVERLAP, mode="gaussian", sw_device=device, device="cpu")
    found: torch.Tensor = inferer(whole.float(), network)
    return found


def _window(config: AutoencoderConfig) -> list[int]:
    x, y, z = config.window
    return [z, x, y]


def _device(vqgan: VqGan) -> torch.device:
    return next(vqgan.parameters()).device
