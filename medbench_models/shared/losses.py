"""Losses of autoencoders that MONAI lacks, that fail there on constant patches, or that would download weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch.nn import functional

from medbench.features.lpips import SQUEEZENET, lpips_network
from medbench.training.chance import Samples


def spectral_loss(reconstruction: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of the Fourier amplitudes.

    The small constant keeps the gradient of the square root finite where a patch is constant (outside air): without it
    training ends in NaN.

    Args:
        reconstruction: (n, 1, x, y, z).
        image: (n, 1, x, y, z).

    Source: the "jukebox" loss of Dhariwal et al. 2020 (arXiv 2005.00341), in 3D as in MONAI's ``JukeboxLoss``.

    >>> image = torch.rand(1, 1, 4, 4, 4)
    >>> float(spectral_loss(image.roll(2, dims=2), image)) < 1e-9  # amplitudes do not move with what they are of
    True
    """
    return functional.mse_loss(_amplitudes(reconstruction), _amplitudes(image))


def _amplitudes(image: torch.Tensor) -> torch.Tensor:
    spectrum = torch.fft.rfftn(image.float(), dim=(-3, -2, -1), norm="ortho")
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + 1e-8)


class PerceptualLoss(torch.nn.Module):
    """LPIPS with SqueezeNet over half of each image's slices along each of the three axes, summed over the axes.

    MONAI's "fake 3D" ``PerceptualLoss`` is this with slices drawn from a global state, which no resumed training
    repeats.

    Args:
        network: the LPIPS module; None: with SqueezeNet's weights from their file.

    Raises:
        Unavailable: SqueezeNet's weights are not here.
        CheckpointError: its file is damaged or holds another network.

    Source: Zhang et al. 2018 (arXiv 1801.03924).
    """

    def __init__(self, network: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.network = (network or lpips_network("squeeze", SQUEEZENET)).requires_grad_(False)

    def forward(self, reconstruction: torch.Tensor, image: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return the loss of images (n, 1, x, y, z) in -1..1, in float32."""
        total = image.new_zeros((), dtype=torch.float32)
        numbers = torch.arange(len(image))[:, None]
        for axis in (2, 3, 4):
            kept = chance.each(partial(_half, image.shape[axis])).to(image.device)
            pair = [one.float().movedim(axis, 1)[numbers, kept].flatten(0, 1) for one in (reconstruction, image)]
            total = total + self.network(*(slices.expand(-1, 3, -1, -1) for slices in pair)).mean()
        return total


def _half(count: int, source: torch.Generator) -> torch.Tensor:
    return torch.randperm(count, generator=source)[: max(1, count // 2)]


def adversarial_loss(logits: torch.Tensor, *, real: bool) -> torch.Tensor:
    """Return the least-squares loss that pulls patch logits to 1 (``real``) or 0.

    Source: Mao et al. 2017 (arXiv 1611.04076).

    >>> adversarial_loss(torch.tensor([1.0, 3.0]), real=True)
    tensor(2.)
    """
    return (logits - float(real)).square().mean()


def adversarial_entropy(logits: torch.Tensor, *, real: bool) -> torch.Tensor:
    """Return the binary cross-entropy that pulls logits towards real (``real``) or fake.

    Source: Goodfellow et al. 2014 (arXiv 1406.2661); with ``real`` for what a generator made, its non-saturating loss.

    >>> round(float(adversarial_entropy(torch.tensor([0.0]), real=True)), 4)  # ln 2
    0.6931
    """
    return functional.softplus(-logits if real else logits).mean()


def psnr(reconstruction: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Return each image's peak signal-to-noise ratio in dB for images scaled to -1..1 (a range of 2).

    Args:
        reconstruction: (n, 1, x, y, z); clipped to -1..1.
        image: (n, 1, x, y, z).

    Returns:
        (n,).

    >>> image = torch.zeros(1, 1, 4, 4, 4)
    >>> round(float(psnr(image + 0.02, image)), 2)
    40.0
    """
    axes: Sequence[int] = tuple(range(1, image.ndim))
    error = (reconstruction.clamp(-1.0, 1.0) - image).square().mean(dim=axes)
    return 10.0 * torch.log10(4.0 / error)
