"""Random crops and slabs of volumes, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from medbench.training.chance import Samples


def random_crops(
    volumes: np.ndarray, shape: Sequence[int], *, align: int, centred: bool, chance: Samples
) -> np.ndarray:
    """Return crops (n, *shape) of random volumes, one for each sample.

    Args:
        volumes: (n, x, y, z).
        shape: voxels of a crop along each axis; at most the volumes'.
        align: crops start at multiples of this, so that latent positions stay where whole volumes have them.
        centred: draw them towards the middle, where the anatomy is, instead of evenly.
        chance: of the samples.
    """

    def start(room: int, source: torch.Generator) -> int:
        draws = 2 if centred else 1  # the mean of two is triangular about the middle
        share = float(torch.rand(draws, generator=source).mean())
        return round(share * (room // align)) * align

    drawn = np.empty((len(chance), *shape), dtype=volumes.dtype)
    for row, source in zip(drawn, chance.sources):
        chosen = int(torch.randint(len(volumes), (), generator=source))
        starts = [start(length - size, source) for length, size in zip(volumes.shape[1:], shape)]
        row[:] = volumes[chosen][tuple(slice(first, first + size) for first, size in zip(starts, shape))]
    return drawn


def random_start(room: int, *, align: int, chance: torch.Generator) -> int:
    """Return where a slab begins: a multiple of ``align`` from 0 to ``room``, each as likely as the others."""
    return align * int(torch.randint(room // align + 1, (), generator=chance))


_ROTATION_CHANCE, _ROTATION = 0.2, 0.0872665  # radians, 5 degrees
_FLIP_CHANCE = 0.5


def augmented(images: torch.Tensor, chance: Samples) -> torch.Tensor:
    """Return images, each rotated a little about its axes and flipped along axis 1 by chance.

    Upstream turns whole volumes before it cuts them; here the crops are turned, with their border repeated.

    Args:
        images: (n, 1, x, y, z) in -1..1.
        chance: of each.

    Source: Cardio-AI/medlord, commit ee9f359 (probabilities and angles).
    """
    turned = []
    for image, draws in zip(images.split(1), chance.uniform(5)):
        made = _rotated(image, _ROTATION * (2.0 * draws[1:4] - 1.0)) if draws[0] < _ROTATION_CHANCE else image
        turned.append(made.flip(3) if draws[4] < _FLIP_CHANCE else made)
    return torch.cat(turned)


def _rotated(image: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    # torch's coordinates run from -1 to 1 along each axis, the last one first: in them a rotation of voxels is one of
    # axes with other units.
    sizes = torch.tensor([float(size) for size in reversed(image.shape[2:])])
    turned = _rotation(angles) * torch.cat([sizes, torch.ones(1)]) / sizes[:, None]
    grid = functional.affine_grid(turned[None], list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid.to(image), padding_mode="border", align_corners=False)


def _rotation(angles: torch.Tensor) -> torch.Tensor:
    turned = torch.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (other for other in range(3) if other != axis)
        plane = torch.eye(3)
        plane[a, a] = plane[b, b] = torch.cos(angle)
        plane[a, b], plane[b, a] = -torch.sin(angle), torch.sin(angle)
        turned = turned @ plane
    return torch.cat([turned, torch.zeros(3, 1)], dim=1)
