"""Volumes in HU from a loaded checkpoint: samples by seed, and reconstructions."""

from __future__ import annotations

import numpy as np
import torch

from medbench.errors import CheckpointError
from medbench.imaging.formats.geometry import spacing_of
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.maisi import windows
from medbench_models.maisi.checkpoint import Loaded
from medbench_models.maisi.config import Region
from medbench_models.maisi.labels import bits_of, maisi_numbers
from medbench_models.maisi.networks import REGIONS
from medbench_models.maisi.processes import denoise
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.klgan import as_positive, as_signed
from medbench_models.shared.samplers import Predict
from medbench_models.shared.volumes import hu_of, reconstructed


@torch.no_grad()
def sample(networks: Loaded, seed: int, steps: int, *, device: str, condition: LabelMap | None = None) -> Volume:
    """Return the sample of a seed, steered by a label map where one is given.

    Args:
        networks: a loaded checkpoint.
        seed: all the chance there is; the noise is drawn on the CPU, so that it is the same on every device.
        steps: network evaluations of a rectified flow.
        device: torch device.
        condition: its shape and grid, and so its spacing, are the sample's; without one they are the checkpoint's.

    Raises:
        CheckpointError: a condition, and the checkpoint has no ControlNet.
        DataError: the condition has labels without a translation, or a shape that does not fit.
    """
    description = networks.description
    network = description.network
    shape = description.shape if condition is None else condition.shape
    affine = np.array(description.affine) if condition is None else condition.affine
    require_divisible(shape, network.multiple)
    predict = predictor(networks, spacing_of(affine), None if condition is None else _bits(networks, condition, device))
    chance = torch.Generator("cpu").manual_seed(seed)
    positions = [size // network.autoencoder.factor for size in shape]
    noise = torch.randn(1, network.autoencoder.latent_channels, *positions, generator=chance).to(device)
    latent = denoise(network, predict, noise, chance, steps=steps)
    image = windows.decode(networks.autoencoder, latent / description.scale_factor)
    return Volume(hu_of(as_signed(image), window=network.window, flipped=description.flipped), affine)


def predictor(networks: Loaded, spacing_mm: tuple[float, float, float], bits: torch.Tensor | None = None) -> Predict:
    """Return what predicts for latents of one spacing, steered by a label map's bits (1, 8, x, y, z) where given.

    The bits are embedded here, once for all steps. Latents may have any precision; the networks keep theirs.
    """
    weight, denoiser = networks.denoiser.unet.conv_in.conv.weight, networks.denoiser
    spacing = torch.tensor([spacing_mm], device=weight.device)
    told = spacing, regions_of(networks.description.regions).to(weight.device)
    if bits is None or networks.steered is None or networks.embedding is None:
        return lambda latent, times: denoiser(latent.to(weight), times, *told)
    steered, embedded = networks.steered, networks.embedding(bits.to(weight))
    return lambda latent, times: steered(latent.to(weight), times, *told, embedded)


def regions_of(regions: tuple[Region, Region]) -> torch.Tensor:
    """Return the uppermost and the lowest region of the body as networks are told them, (1, 2) indices."""
    return torch.tensor([[REGIONS.index(region) for region in regions]])


def reconstruct(networks: Loaded, volume: Volume) -> Volume:
    """Return a volume after the autoencoder, by the latent's mean, on its own grid."""
    description = networks.description
    network = description.network

    def through(image: torch.Tensor) -> torch.Tensor:
        return as_signed(windows.through(networks.autoencoder, as_positive(image)))

    return reconstructed(
        through, volume, factor=network.autoencoder.factor, window=network.window, flipped=description.flipped
    )


def _bits(networks: Loaded, condition: LabelMap, device: str) -> torch.Tensor:
    if networks.steered is None:
        raise CheckpointError("these weights have no ControlNet: train stage 3, or leave out --conditional")
    numbers = np.ascontiguousarray(np.flip(maisi_numbers(condition), networks.description.flipped))
    return bits_of(torch.from_numpy(numbers)[None].to(device))
