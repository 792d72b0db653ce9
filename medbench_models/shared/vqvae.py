"""The VQ-VAE of MedLoRD, VolDiT and VQ-Trans, MONAI's, and whole volumes through it in bounded memory, without seams.

It has no norm layers: a voxel depends on a known neighbourhood and on nothing else. A slab along x that is cut with
that neighbourhood on both sides (its halo) is therefore computed as in the whole volume; only rounding may differ,
where kernels choose another order of summation for another size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from monai.networks.nets import VQVAE

from medbench.budget.prediction import CONTEXT_BYTES, MARGIN
from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.memory import memory_limit
from medbench_models.shared.quantiser import EmaQuantiser

# Only training needs the codebook's moving averages.
TRAINING_ONLY: Final = ("quantizer.quantizer.ema_cluster_size", "quantizer.quantizer.ema_w")
# Beside the activations there are the latent, distances to codes and weights in half precision.
_SPARE = 1.1


class Vqvae(VQVAE):
    """MONAI's VQ-VAE with the quantiser that works in chunks; its state-dict names are MONAI's.

    Args:
        config: architecture.
    """

    def __init__(self, config: VqvaeConfig) -> None:
        levels = len(config.channels)
        super().__init__(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            channels=config.channels,
            num_res_channels=config.channels,
            num_res_layers=config.res_layers,
            downsample_parameters=((2, 4, 1, 1),) * levels,
            upsample_parameters=((2, 4, 1, 1, 0),) * levels,
            num_embeddings=config.codebook_size,
            embedding_dim=config.codebook_dim,
        )
        self.config = config
        self.quantizer.quantizer = EmaQuantiser(
            config.codebook_size,
            config.codebook_dim,
            commitment=config.commitment,
            decay=config.decay,
            epsilon=config.epsilon,
        )

    @property
    def codebook(self) -> EmaQuantiser:
        """The quantiser."""
        quantiser: EmaQuantiser = self.quantizer.quantizer
        return quantiser


@dataclass(frozen=True)
class Slab:
    """A part of the x axis in latent positions: ``seen`` goes in, ``kept`` of it is right and stays."""

    kept: tuple[int, int]
    seen: tuple[int, int]


def halo(config: VqvaeConfig) -> int:
    """Return how many latent positions on either side of a slab its voxels, or its latents, depend on.

    Decoder and encoder have the same: they mirror each other. For the decoder, from the output inwards: a transposed
    convolution (kernel 4, stride 2, padding 1) needs positions ceil((low - 2) / 2) up to floor(high / 2) for voxels
    low up to high; a residual unit needs 2 more on either side, the first convolution 1.
    """
    low = 0
    for _ in config.channels:
        low = math.ceil((low - 2) / 2) - 2 * config.res_layers
    return 1 - low


def slabs(positions: int, count: int, margin: int) -> list[Slab]:
    """Cut an axis of latent positions into ``count`` slabs of nearly equal width, each seen with ``margin`` around."""
    count = min(count, positions)
    edges = [positions * index // count for index in range(count + 1)]
    return [
        Slab((start, stop), (max(0, start - margin), min(positions, stop + margin)))
        for start, stop in itertools.pairwise(edges)
    ]


def decode(vqvae: Vqvae, quantised: torch.Tensor, *, count: int | None = None) -> torch.Tensor:
    """Return the image (1, 1, x, y, z) of a quantised latent (1, c, x / factor, ...).

    Args:
        vqvae: in evaluation mode.
        quantised: codes.
        count: slabs, of which 1 decodes the whole at once; None: as many as the device's memory demands.
    """
    factor = vqvae.config.factor
    shape = [size * factor for size in quantised.shape[2:]]
    cut = slabs(quantised.shape[2], count or _needed(vqvae, shape), halo(vqvae.config))
    if len(cut) == 1:
        whole: torch.Tensor = vqvae.decode(quantised)
        return whole
    image: torch.Tensor | None = None
    for slab in cut:
        part = vqvae.decode(quantised[:, :, slice(*slab.seen)])
        image = part.new_empty(1, 1, *shape) if image is None else image
        (start, stop), first = slab.kept, slab.seen[0]
        image[:, :, start * factor : stop * factor] = part[:, :, (start - first) * factor : (stop - first) * factor]
        del part
    assert image is not None  # there are several slabs
    return image


def encode(vqvae: Vqvae, image: torch.Tensor, *, count: int | None = None) -> torch.Tensor:
    """Return the latent (1, c, x / factor, ...), not yet quantised, of an image.

    Args:
        vqvae: in evaluation mode; slabs go to its device one by one.
        image: (1, 1, x, y, z) in -1..1, on any device; sizes that the factor divides.
        count: slabs, of which 1 encodes the whole at once; None: as many as the device's memory demands.
    """
    device, factor, parts = next(vqvae.parameters()).device, vqvae.config.factor, []
    for slab in slabs(image.shape[2] // factor, count or _needed(vqvae, image.shape[2:]), halo(vqvae.config)):
        (start, stop), (first, last) = slab.kept, slab.seen
        latent = vqvae.encode(image[:, :, first * factor : last * factor].to(device))
        parts.append(latent[:, :, start - first : stop - first].clone())  # a clone lets go of the halo
        del latent
    return torch.cat(parts, dim=2)


def through(vqvae: Vqvae, image: torch.Tensor, *, count: int | None = None) -> torch.Tensor:
    """Return an image (1, 1, x, y, z) after the VQ-VAE; ``count`` as for ``encode`` and ``decode``."""
    quantised, _ = vqvae.quantize(encode(vqvae, image, count=count))
    return decode(vqvae, quantised, count=count)


def _needed(vqvae: Vqvae, shape: Sequence[int]) -> int:
    device = next(vqvae.parameters()).device
    mixed = torch.is_autocast_enabled(device.type)
    itemsize = torch.get_autocast_dtype(device.type).itemsize if mixed else 4
    kept = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    return slabs_needed(vqvae.config, shape, itemsize=itemsize, limit_bytes=memory_limit(device), kept_bytes=kept)


def slabs_needed(
    config: VqvaeConfig, shape: Sequence[int], *, itemsize: int, limit_bytes: float, kept_bytes: int = 0
) -> int:
    """Return the smallest number of slabs with which a volume passes the VQ-VAE in a given memory.

    Args:
        config: of the VQ-VAE.
        shape: voxels (x, y, z).
        itemsize: bytes of one activation, 2 or 4.
        limit_bytes: memory in all, of which the prediction's margin is kept; infinite where nothing limits it.
        kept_bytes: of the tensors that are there.

    Returns:
        At most as many as there are latent positions along x, whether or not that is enough.
    """
    left = (limit_bytes - CONTEXT_BYTES) / (1.0 + MARGIN) - kept_bytes
    most = shape[0] // config.factor
    for count in range(1, most):
        if _SPARE * activation_bytes(config, shape, itemsize=itemsize, count=count) <= left:
            return count
    return most


def activation_bytes(config: VqvaeConfig, shape: Sequence[int], *, itemsize: int, count: int) -> int:
    """Return what the activations of encoding or decoding take at most, in bytes; decoding sets it.

    A residual unit holds three tensors of its level at once (its input and two results); a convolution between levels
    its input and its result, once before and once after the activation function.
    """
    cut = slabs(shape[0] // config.factor, count, halo(config))
    width = max(slab.seen[1] - slab.seen[0] for slab in cut)
    voxels = width * config.factor * math.prod(shape[1:])
    return itemsize * max(_level_numbers(config, voxels)) + (4 * math.prod(shape) if count > 1 else 0)


def _level_numbers(config: VqvaeConfig, voxels: int) -> Iterator[int]:
    finer = voxels  # of the image's one channel
    for level, channels in enumerate(config.channels, start=1):
        here = channels * voxels // 8**level
        yield 3 * here
        yield max(here + 2 * finer, finer + 2 * here)
        finer = here
