"""The memory that Med-LSDM's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from lightning_fabric import Fabric

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.med_lsdm import windows
from medbench_models.med_lsdm.autoencoding import step_autoencoder
from medbench_models.med_lsdm.config import FACTOR, MedLsdmConfig, NetworkConfig
from medbench_models.med_lsdm.layers import latent_shape
from medbench_models.med_lsdm.sampling import build_schedule, predictor
from medbench_models.med_lsdm.unet import Unet, checkpoint_layers
from medbench_models.med_lsdm.vqgan import VqGan
from medbench_models.shared.arrays import require_multiples
from medbench_models.shared.diffusion import step_diffusion
from medbench_models.shared.gan import require_crops
from medbench_models.shared.nearest import one_chunk
from medbench_models.shared.precision import built_as_sampled, sampling_dtype

Shape = Sequence[int]


def predict(config: MedLsdmConfig, stage: Stage, shape: Shape, *, limit_bytes: float = math.inf) -> Prediction:
    """Return the prediction of a whole stage: of its heaviest part, since the parts run one after the other.

    Args:
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z).
        limit_bytes: memory in all, which changes nothing: windows have the size that the networks were trained with.

    Raises:
        DataError: a shape that the networks cannot halve as often as they do, or that is smaller than a training crop.
    """
    del limit_bytes
    require_multiples(shape, config.network.multiples)
    if stage == "fit":
        require_crops(config.stage1, shape)
    parts = predict_sampling(config, shape) if stage == "sample" else predict_fitting(config, shape)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def predict_sampling(config: MedLsdmConfig, shape: Shape) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: a denoising step, and decoding.

    Args:
        config: a preset.
        shape: voxels (x, y, z).
    """
    return {
        "denoise": predict_peak(lambda: _denoise(config, shape)),
        "decode": predict_peak(lambda: _decode(config.network, shape)),
    }


def predict_fitting(config: MedLsdmConfig, shape: Shape) -> dict[str, Prediction]:
    """Return the predictions of the training of both stages, at the preset's batch and crop, and of encoding.

    Args:
        config: a preset.
        shape: voxels (x, y, z) of the training volumes.
    """
    network = config.network
    stage1, stage2 = (
        one.model_copy(update={"accumulate": min(2, one.accumulate)}) for one in (config.stage1, config.stage2)
    )  # of passes that accumulate, the third and later ones hold what the second holds
    return {
        "stage1": predict_peak(lambda: step_autoencoder(network.autoencoder, stage1, Rehearsal(stage1.precision))),
        "encode": predict_peak(lambda: _encode(network, shape)),
        "stage2": predict_peak(
            lambda: step_unet(config.model_copy(update={"stage2": stage2}), shape, Rehearsal(stage2.precision))
        ),
    }


def step_unet(config: MedLsdmConfig, shape: Shape, fabric: Rehearsal | Fabric) -> None:
    """Take a step of stage 2 on empty latents and label maps of volumes (x, y, z)."""
    network = config.network
    unet = Unet(network.unet, network.autoencoder.code_channels, network.classes)
    if config.stage2.checkpointing:
        checkpoint_layers(unet)
    x, y, z = shape
    step_diffusion(
        unet, config.stage2, build_schedule(network.unet), fabric, shape=_latent(network, shape),
        conditions=[(network.classes, z, x, y)],
    )  # fmt: skip


def _latent(network: NetworkConfig, shape: Shape) -> tuple[int, ...]:
    return latent_shape(shape, network.autoencoder.code_channels, FACTOR)


def _networks(network: NetworkConfig) -> tuple[VqGan, Unet]:
    """Return both networks as they are sampled with on a GPU: the U-Net in float16."""
    vqgan = VqGan(network.autoencoder, network.classes).eval()
    vqgan.codebook.search = one_chunk
    with built_as_sampled():
        return vqgan, Unet(network.unet, network.autoencoder.code_channels, network.classes).eval()


@torch.no_grad()
def _denoise(config: MedLsdmConfig, shape: Shape) -> None:
    kept, unet = _networks(config.network)
    x, y, z = shape
    label_map = torch.empty(1, config.network.classes, z, x, y, dtype=torch.uint8)
    predict = predictor(unet, label_map, config.sampling.guidance)
    predict(torch.empty(1, *_latent(config.network, shape)), torch.zeros(1, dtype=torch.int64))
    del kept


@torch.no_grad()
def _decode(network: NetworkConfig, shape: Shape) -> None:
    """Hold the codes of a whole volume and decode one window of it; windows that are done lie on the CPU."""
    vqgan, kept = _networks(network)
    codes = vqgan.quantised(torch.empty(1, *_latent(network, shape)))
    x, y, z = (size // FACTOR for size in windows.passes_at_once(network.autoencoder, shape))
    with torch.autocast("cpu", dtype=sampling_dtype("cuda")):
        vqgan.decode(codes[:, :, :z, :x, :y])
    del kept


@torch.no_grad()
def _encode(network: NetworkConfig, shape: Shape) -> None:
    """Encode one window of a volume, whose latent is kept."""
    vqgan, _ = _networks(network)
    x, y, z = windows.passes_at_once(network.autoencoder, shape)
    vqgan.scaled(vqgan.encode(torch.empty(1, 1, z, x, y)))
