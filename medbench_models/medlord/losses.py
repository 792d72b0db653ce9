"""Losses of stage 1 that MONAI lacks or that fail on constant patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def spectral_loss(reconstruction: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of the Fourier amplitudes.

    The small constant keeps the gradient of the square root finite where a patch is constant (outside air): without it
    training ends in NaN.

    Args:
        reconstruction: (n, 1, x, y, z).
        image: (n, 1, x, y, z).

    Source: the "jukebox" loss of Dhariwal et al. 2020 (arXiv 2005.00341), in 3D as in MONAI's ``JukeboxLoss``.
    """
    return functional.mse_loss(_amplitudes(reconstruction), _amplitudes(image))


def _amplitudes(image: torch.Tensor) -> torch.Tensor:
    spectrum = torch.fft.rfftn(image.float(), dim=(-3, -2, -1), norm="ortho")
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


def adversarial_loss(logits: torch.Tensor, *, real: bool) -> torch.Tensor:
    """Return the least-squares loss that pulls patch logits to 1 (``real``) or 0.

    Source: Mao et al. 2017 (arXiv 1611.04076).
    """
    return (logits - float(real)).square().mean()


def psnr(reconstruction: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Return each image's peak signal-to-noise ratio in dB for images scaled to -1..1 (a range of 2).

    Args:
        reconstruction: (n, 1, x, y, z); clipped to -1..1.
        image: (n, 1, x, y, z).

    Returns:
        (n,).
    """
    axes: Sequence[int] = tuple(range(1, image.ndim))
    error = (reconstruction.clamp(-1.0, 1.0) - image).square().mean(dim=axes)
    return 10.0 * torch.log10(4.0 / error)
