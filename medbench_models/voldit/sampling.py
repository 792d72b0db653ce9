"""Volumes in HU from a loaded checkpoint, by seed."""

from __future__ import annotations

import numpy as np
import torch

from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.shared.codes import sample_codes
from medbench_models.shared.conditions import region_numbers
from medbench_models.shared.config import SamplingConfig
from medbench_models.shared.samplers import Predict
from medbench_models.shared.volumes import voxels_of
from medbench_models.voldit.adapter import Steered, TokenAdapter
from medbench_models.voldit.checkpoint import Loaded
from medbench_models.voldit.dit import Dit
from medbench_models.voldit.masks import numbered
from medbench_models.voldit.networks import build_schedule


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
        condition: of the shape that the weights make; its grid is the sample's.

    Raises:
        CheckpointError: a condition, and the checkpoint has no adapter.
        DataError: the condition has labels that the model does not know, or another shape.
    """
    description = networks.description
    network = description.network
    masks = _no_masks(networks, device) if condition is None else _masks(networks, condition, device)
    quantised = sample_codes(
        networks.vqvae, predictor(networks.dit, networks.adapter, masks), build_schedule(network.dit), config,
        shape=description.shape, scale_factor=description.scale_factor, seed=seed,
    )  # fmt: skip
    voxels = voxels_of(networks.vqvae, quantised, window=network.window, flipped=description.flipped)
    return Volume(voxels, np.array(description.affine) if condition is None else condition.affine)


def predictor(dit: Dit, adapter: TokenAdapter | None = None, masks: torch.Tensor | None = None) -> Predict:
    """Return what predicts velocities: the transformer, steered by masks (1, masks, x, y, z) where these are given.

    Masks are embedded here, once for all steps. Latents may have any precision; the networks keep theirs.
    """
    number = dit.positions.dtype
    if adapter is None or masks is None:
        return lambda latent, steps: dit(latent.to(number), steps)
    steered, tokens = Steered(adapter, dit), adapter.embed(masks.to(number), dit.grid)
    return lambda latent, steps: steered.velocity(latent.to(number), steps, tokens)


def _no_masks(networks: Loaded, device: str) -> torch.Tensor | None:
    """Return empty masks where the transformer was trained along with the adapter, and has never been without any."""
    description = networks.description
    config = description.network.adapter
    if config is None or not config.tuned:
        return None
    return torch.zeros(1, len(config.masks), *description.shape, device=device)


def _masks(networks: Loaded, condition: LabelMap, device: str) -> torch.Tensor:
    description = networks.description
    config = description.network.adapter
    if networks.adapter is None or config is None:
        raise CheckpointError("these weights have no adapter: train stage 3, or leave out --conditional")
    if condition.shape != description.shape:
        asked, made = ("x".join(map(str, shape)) for shape in (condition.shape, description.shape))
        raise DataError(f"volumes of {asked} voxels do not fit: a transformer makes one shape, and this one {made}")
    numbers = region_numbers(condition, config.regions, ignored=description.ignored_regions)
    flipped = np.ascontiguousarray(np.flip(numbers, description.flipped))
    return numbered(torch.from_numpy(flipped)[None], config.masks).to(device)
