"""Volumes in HU from a loaded checkpoint, by seed and label map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from medbench.errors import CheckpointError
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.med_lsdm import windows
from medbench_models.med_lsdm.checkpoint import Loaded
from medbench_models.med_lsdm.config import FACTOR, GuidedSamplingConfig, UnetConfig
from medbench_models.med_lsdm.latents import one_hot_map
from medbench_models.med_lsdm.layers import latent_shape
from medbench_models.med_lsdm.unet import Unet
from medbench_models.shared.arrays import require_multiples
from medbench_models.shared.conditions import region_numbers
from medbench_models.shared.samplers import SAMPLERS, Predict, times_for
from medbench_models.shared.schedules import Discrete, cosine_alphas, parts
from medbench_models.shared.volumes import hu_of, reconstructed


def build_schedule(config: UnetConfig) -> Discrete:
    """Return the noise schedule of a U-Net, which predicts the noise."""
    return Discrete(cosine_alphas(config.timesteps), "noise")


@torch.no_grad()
def sample(networks: Loaded, seed: int, config: GuidedSamplingConfig, *, device: str, condition: LabelMap) -> Volume:
    """Return the sample of a seed and a label map, whose shape and grid are the sample's.

    Args:
        networks: a loaded checkpoint.
        seed: all the chance there is; it is drawn on the CPU, so that it is the same on every device.
        config: sampler, steps and guidance.
        device: torch device.
        condition: what the sample is to show.

    Raises:
        DataError: the label map has labels that the model does not know, or a shape that does not fit.
    """
    description = networks.description
    network = description.network
    require_multiples(condition.shape, network.multiples)
    numbers = region_numbers(condition, network.regions, ignored=description.ignored_regions)
    flipped = np.ascontiguousarray(np.flip(numbers, description.flipped))
    label_map = one_hot_map(torch.from_numpy(flipped)[None].to(device), network.classes)
    chance = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(1, *latent_shape(flipped.shape, network.autoencoder.code_channels, FACTOR), generator=chance)
    schedule = build_schedule(network.unet)
    believed = believer(schedule, predictor(networks.unet, label_map, config.guidance))
    clean = replace(schedule, prediction="clean")
    times = times_for(config.sampler, clean, config.steps)
    latent = SAMPLERS[config.sampler](clean, believed, noise.to(device), times, chance)
    steered = label_map.float() if network.autoencoder.spade else None
    image = windows.decode(networks.vqgan, networks.vqgan.quantised(latent), steered)
    return Volume(hu_of(image, window=network.window, flipped=description.flipped), condition.affine)


def predictor(unet: Unet, label_map: torch.Tensor, guidance: float) -> Predict:
    """Return what predicts noise under a label map (1, classes, 4 z, 4 x, 4 y): e + guidance (e - e0).

    e0 is predicted with an empty map, which has not even a background. Maps are encoded here, once for all steps.
    Latents may have any precision; the network keeps its own.

    Source: Ho and Salimans 2022 (arXiv 2207.12598), eq. 6; that the training never empties a map is as published.
    """
    number = unet.init_conv.weight.dtype
    encoded = unet.encoded(label_map)
    if guidance == 0.0:
        return lambda latent, times: unet.steered(latent.to(number), times, encoded)
    empty = unet.encoded(torch.zeros_like(label_map))

    def predict(latent: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        steered, free = (unet.steered(latent.to(number), times, one) for one in (encoded, empty))
        return steered + guidance * (steered - free)

    return predict


def believer(schedule: Discrete, predict: Predict) -> Predict:
    """Return what predicts clean latents by a network that predicts noise: cut to -1..1, as the latents are scaled.

    Without the cut the noisiest steps, which divide by next to no signal, would leave that range by far.
    """

    def believed(latent: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return parts(schedule, latent, predict(latent, times).to(latent), times)[0].clamp(-1.0, 1.0)

    return believed


def reconstruct(networks: Loaded, volume: Volume) -> Volume:
    """Return a volume after the VQ-GAN, on its own grid.

    Raises:
        CheckpointError: the decoder is steered by label maps.
    """
    description = networks.description
    if description.network.autoencoder.spade:
        raise CheckpointError("the decoder of these weights needs a label map: it cannot reconstruct a volume alone")

    def through(image: torch.Tensor) -> torch.Tensor:
        return windows.through(networks.vqgan, image)

    return reconstructed(through, volume, factor=FACTOR, window=description.network.window, flipped=description.flipped)
