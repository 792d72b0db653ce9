"""The memory that VolDiT's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from lightning_fabric import Fabric

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared import vqvae_memory
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import step_diffusion
from medbench_models.shared.gan import require_crops
from medbench_models.shared.precision import built_as_sampled
from medbench_models.shared.vqvae_memory import empty_vqvae, latent_shape, predict_encoding, predict_vqgan
from medbench_models.voldit.adapter import Steered, TokenAdapter
from medbench_models.voldit.config import NetworkConfig, VolDiTConfig
from medbench_models.voldit.dit import Dit
from medbench_models.voldit.networks import (
    build_adapter,
    build_denoiser,
    build_dit,
    build_schedule,
    checkpoint_blocks,
)
from medbench_models.voldit.sampling import predictor

Shape = Sequence[int]


def predict(config: VolDiTConfig, stage: Stage, shape: Shape, *, limit_bytes: float = math.inf) -> Prediction:
    """Return the prediction of a whole stage: of its heaviest part, since the parts run one after the other.

    Args:
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.

    Raises:
        DataError: a shape that does not divide into tokens, or that is smaller than a training crop.
    """
    require_divisible(shape, config.network.multiple)
    if stage == "sample":
        parts = predict_sampling(config.network, shape, limit_bytes=limit_bytes)
    else:
        if config.stage1 is not None:
            require_crops(config.stage1, shape)
        parts = predict_fitting(config, shape, limit_bytes=limit_bytes)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def predict_sampling(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: a denoising step, and decoding in as many slabs as fit the limit.

    Args:
        network: the adapter takes part where there is one.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.
    """
    return vqvae_memory.predict_sampling(
        network.vqvae,
        shape,
        beside=lambda: denoisers(network, shape),
        steps={"denoise": lambda: _denoise(network, shape)},
        limit_bytes=limit_bytes,
    )


def predict_fitting(config: VolDiTConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of the training of all stages, at the preset's batch and crop, and of encoding.

    Args:
        config: the preset; its VQ-VAE counts where it is trained.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass the VQ-VAE in as many slabs as it demands.
    """
    network, found = config.network, {}
    if config.stage1 is not None:
        found["stage1"] = predict_vqgan(network.vqvae, config.stage1, shape, limit_bytes=limit_bytes)
    found["encode"] = predict_encoding(network.vqvae, shape, limit_bytes=limit_bytes)
    stages = {"stage2": config.stage2} | ({"stage3": config.stage3} if network.adapter is not None else {})
    for name, settings in stages.items():
        fabric, steered = Rehearsal(settings.precision), name == "stage3"
        found[name] = predict_peak(partial(step_denoiser, network, settings, shape, fabric, steered=steered))
    return found


def step_denoiser(
    network: NetworkConfig, config: DiffusionConfig, shape: Shape, fabric: Rehearsal | Fabric, *, steered: bool
) -> None:
    """Take a step of stage 2, or of stage 3 where ``steered``, on empty latents and masks."""
    denoiser = build_denoiser(network, shape, steered=steered)
    if isinstance(denoiser, Steered):
        fabric.to_device(denoiser.dit)
    if config.checkpointing:
        checkpoint_blocks(denoiser)
    masks = [(len(network.adapter.masks), *shape)] if steered and network.adapter is not None else []
    schedule, latent = build_schedule(network.dit), latent_shape(network.vqvae, shape)
    step_diffusion(denoiser, config, schedule, fabric, shape=latent, conditions=masks)


def denoisers(network: NetworkConfig, shape: Shape) -> list[Dit | TokenAdapter]:
    """Return the transformer, and the adapter where there is one, as they are sampled with on a GPU: in float16."""
    with built_as_sampled():
        dit = build_dit(network, shape).eval()
        return [dit] if network.adapter is None else [dit, build_adapter(network).eval()]


@torch.no_grad()
def _denoise(network: NetworkConfig, shape: Shape) -> None:
    kept, networks, latent = (
        empty_vqvae(network.vqvae),
        denoisers(network, shape),
        torch.empty(1, *latent_shape(network.vqvae, shape)),
    )
    masks = [] if network.adapter is None else [torch.empty(1, len(network.adapter.masks), *shape)]
    steps, predict = torch.zeros(1, dtype=torch.int64), predictor(*networks, *masks)
    del masks
    predict(latent, steps)
    del kept
