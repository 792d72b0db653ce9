"""The memory that MedLoRD's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from monai.networks.nets import DiffusionModelUNet

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.medlord.config import MedLoRDConfig, NetworkConfig
from medbench_models.medlord.controlnet import ControlNet, Steered
from medbench_models.medlord.networks import (
    build_controlnet,
    build_denoiser,
    build_schedule,
    build_unet,
    checkpoint_layers,
)
from medbench_models.medlord.sampling import predictor
from medbench_models.shared import vqvae_memory
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import step_diffusion
from medbench_models.shared.gan import require_crops
from medbench_models.shared.precision import built_as_sampled, sampling_dtype
from medbench_models.shared.vqvae_memory import empty_vqvae, latent_shape, predict_encoding, predict_vqgan

Shape = Sequence[int]


def predict(config: MedLoRDConfig, stage: Stage, shape: Shape, *, limit_bytes: float = math.inf) -> Prediction:
    """Return the prediction of a whole stage: of its heaviest part, since the parts run one after the other.

    Args:
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.

    Raises:
        DataError: a shape that the networks cannot halve as often as they do, or that is smaller than a training crop.
    """
    require_divisible(shape, config.network.multiple)
    if stage == "sample":
        parts = predict_sampling(config.network, shape, limit_bytes=limit_bytes)
    else:
        require_crops(config.stage1, shape)
        parts = predict_fitting(config, shape, limit_bytes=limit_bytes)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def predict_sampling(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: a denoising step, and decoding in as many slabs as fit the limit.

    Args:
        network: the ControlNet takes part where there is one.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.
    """
    return vqvae_memory.predict_sampling(
        network.vqvae,
        shape,
        beside=lambda: denoisers(network),
        steps={"denoise": lambda: _denoise(network, shape)},
        limit_bytes=limit_bytes,
    )


def predict_fitting(config: MedLoRDConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of the training of all stages, at the preset's batch and crop, and of encoding.

    Args:
        config: the preset.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass the VQ-VAE in as many slabs as it demands.
    """
    network = config.network

    def diffusion(settings: DiffusionConfig, *, steered: bool) -> Prediction:
        fabric = Rehearsal(settings.precision)
        return predict_peak(lambda: step_denoiser(network, settings, shape, fabric, steered=steered))

    found = {
        "stage1": predict_vqgan(network.vqvae, config.stage1, shape, limit_bytes=limit_bytes),
        "encode": predict_encoding(network.vqvae, shape, limit_bytes=limit_bytes),
        "stage2": diffusion(config.stage2, steered=False),
    }
    if config.stage3 is not None and network.controlnet is not None:
        found["stage3"] = diffusion(config.stage3, steered=True)
    return found


def step_denoiser(
    network: NetworkConfig, config: DiffusionConfig, shape: Shape, fabric: Rehearsal | Fabric, *, steered: bool
) -> None:
    """Take a step of stage 2, or of stage 3 where ``steered``, on empty latents and masks."""
    denoiser = build_denoiser(network, steered=steered)
    if isinstance(denoiser, Steered):
        fabric.to_device(denoiser.unet)
    if config.checkpointing:
        checkpoint_layers(denoiser)
    masks = [(len(network.controlnet.regions), *shape)] if steered and network.controlnet is not None else []
    schedule, latent = build_schedule(network.unet), latent_shape(network.vqvae, shape)
    step_diffusion(denoiser, config, schedule, fabric, shape=latent, conditions=masks)


def denoisers(network: NetworkConfig) -> list[DiffusionModelUNet | ControlNet]:
    """Return the U-Net, and the ControlNet where there is one, as they are sampled with on a GPU: in float16."""
    with built_as_sampled():
        unet = build_unet(network.unet, network.vqvae.codebook_dim).eval()
        return [unet] if network.controlnet is None else [unet, build_controlnet(network).eval()]


@torch.no_grad()
def _denoise(network: NetworkConfig, shape: Shape) -> None:
    kept, networks, latent = (
        empty_vqvae(network.vqvae),
        denoisers(network),
        torch.empty(1, *latent_shape(network.vqvae, shape)),
    )
    regions = () if network.controlnet is None else network.controlnet.regions
    masks = [torch.empty(1, len(regions), *shape, dtype=sampling_dtype("cuda"))] if regions else []
    steps, predict = torch.zeros(1, dtype=torch.int64), predictor(*networks, *masks)
    del masks
    predict(latent, steps)
    del kept
