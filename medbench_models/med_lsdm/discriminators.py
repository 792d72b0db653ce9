"""The two discriminators of Med-LSDM's VQ-GAN: of whole crops and of single axial slices.

Source: Isola et al. 2017 (arXiv 1611.07004), PatchGAN; hinge losses: Lim and Ye 2017 (arXiv 1705.02894); the match of
features: Wang et al. 2018 (arXiv 1711.11585), eq. 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from medbench_models.med_lsdm.batch_norm import BatchNorm2d, BatchNorm3d

_WIDEST = 512


class PatchDiscriminator(nn.Module):
    """Verdicts on overlapping patches of images in two or three dimensions.

    Args:
        dimensions: 2 or 3.
        width: channels of the first convolution.
        layers: how many convolutions halve the image.
    """

    def __init__(self, dimensions: int, width: int, layers: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, BatchNorm2d) if dimensions == 2 else (nn.Conv3d, BatchNorm3d)
        widths = [min(_WIDEST, width * 2**index) for index in range(layers + 1)]
        self.stages = layers + 2
        self.model0 = nn.Sequential(conv(1, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2))
        for index, (before, after) in enumerate(itertools.pairwise(widths), start=1):
            stride = 2 if index < layers else 1
            stage = nn.Sequential(conv(before, after, 4, stride=stride, padding=2), norm(after), nn.LeakyReLU(0.2))
            self.add_module(f"model{index}", stage)
        self.add_module(f"model{layers + 1}", nn.Sequential(conv(widths[-1], 1, 4, stride=1, padding=2)))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the features after each stage; the last are the verdicts."""
        found = [image]
        for index in range(self.stages):
            found.append(getattr(self, f"model{index}")(found[-1]))
        return found[1:]


class Discriminators(nn.Module):
    """Both together; arguments as for ``PatchDiscriminator``."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.image_discriminator = PatchDiscriminator(2, width, layers)
        self.video_discriminator = PatchDiscriminator(3, width, layers)

    def forward(self, crops: torch.Tensor, slices: torch.Tensor) -> list[list[torch.Tensor]]:
        """Return the features of each discriminator.

        Args:
            crops: (n, 1, z, x, y).
            slices: (n,) the slice of each crop that is judged by itself.
        """
        rows = torch.arange(len(crops), device=crops.device)
        return [self.image_discriminator(crops[rows, :, slices]), self.video_discriminator(crops)]


def hinge_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return a discriminator's loss, of its verdicts on real and on fake images.

    >>> hinge_loss(torch.tensor([2.0, 0.5]), torch.tensor([-2.0]))
    tensor(0.1250)
    """
    return 0.5 * (functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean())


def feature_loss(real: Sequence[torch.Tensor], fake: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean absolute difference of features, summed over the stages before the verdicts.

    >>> feature_loss([torch.zeros(2), torch.ones(1)], [torch.ones(2), torch.zeros(1)])
    tensor(1.)
    """
    pairs = list(zip(real, fake))[:-1]
    return torch.stack([functional.l1_loss(made, seen.detach()) for seen, made in pairs]).sum()
