"""Volumes in HU from a loaded checkpoint, by seed."""

from __future__ import annotations

import numpy as np
import torch
from monai.networks.nets import DiffusionModelUNet

from medbench.errors import CheckpointError
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.medlord.checkpoint import Loaded
from medbench_models.medlord.controlnet import ControlNet, Steered
from medbench_models.medlord.networks import build_schedule
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.codes import sample_codes
from medbench_models.shared.conditions import one_hot, region_numbers
from medbench_models.shared.config import SamplingConfig
from medbench_models.shared.samplers import Predict
from medbench_models.shared.volumes import voxels_of


@torch.no_grad()
def sample(
    networks: Loaded, seed: int, config: SamplingConfig, *, device: str, condition: LabelMap | None = None
) -> Volume:
    """Return the sample of a seed, steered by a label map where one is given; see ``sample_codes``.

    Args:
        networks: a loaded checkpoint.
        seed: all the chance there is.
        config: sampler and steps.
        device: torch device.
        condition: its shape and grid are the sample's.

    Raises:
        CheckpointError: a condition, and the checkpoint has no ControlNet.
        DataError: the condition has labels that the model does not know, or a shape that does not fit.
    """
    description = networks.description
    network = description.network
    shape = description.shape if condition is None else condition.shape
    require_divisible(shape, network.multiple)
    masks = None if condition is None else _masks(networks, condition, device)
    quantised = sample_codes(
        networks.vqvae, predictor(networks.unet, networks.controlnet, masks), build_schedule(network.unet), config,
        shape=shape, scale_factor=description.scale_factor, seed=seed,
    )  # fmt: skip
    voxels = voxels_of(networks.vqvae, quantised, window=network.window, flipped=description.flipped)
    return Volume(voxels, np.array(description.affine) if condition is None else condition.affine)


def predictor(
    unet: DiffusionModelUNet, controlnet: ControlNet | None = None, masks: torch.Tensor | None = None
) -> Predict:
    """Return what predicts velocities: the U-Net, steered by masks (1, regions, x, y, z) where these are given.

    Masks are embedded here, once for all steps. Latents may have any precision; the networks keep theirs.
    """
    number = unet.conv_in.conv.weight.dtype
    if controlnet is None or masks is None:
        return lambda latent, steps: unet(latent.to(number), steps)
    steered, embedded = Steered(controlnet, unet), controlnet.embedding(masks.to(number))
    return lambda latent, steps: steered.velocity(latent.to(number), steps, embedded)


def _masks(networks: Loaded, condition: LabelMap, device: str) -> torch.Tensor:
    config, description = networks.description.network.controlnet, networks.description
    if networks.controlnet is None or config is None:
        raise CheckpointError("these weights have no ControlNet: train stage 3, or leave out --conditional")
    numbers = region_numbers(condition, config.regions, ignored=description.ignored_regions)
    flipped = np.ascontiguousarray(np.flip(numbers, description.flipped))
    return one_hot(torch.from_numpy(flipped)[None], len(config.regions)).to(device)
