"""The memory that MedLoRD's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from monai.networks.nets import VQVAE, DiffusionModelUNet

from medbench.budget.prediction import CONTEXT_BYTES, MARGIN, Prediction, predict_peak, require_fits
from medbench.errors import DataError
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.medlord.config import DiffusionConfig, MedLoRDConfig, NetworkConfig, VqvaeConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.medlord.data import require_divisible
from medbench_models.medlord.decoding import decode, encode, memory_limit, slabs_needed
from medbench_models.medlord.diffusion import Steered
from medbench_models.medlord.networks import (
    build_controlnet,
    build_discriminator,
    build_unet,
    build_vqvae,
    codebook_of,
)
from medbench_models.medlord.steps import latent_shape, step_diffusion, step_stage1
from medbench_models.shared.nearest import by_chunks, rows_at_once
from medbench_models.shared.precision import sampling_dtype

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
    require_divisible(shape, config.network)
    if stage == "fit" and any(size < least for size, least in zip(shape, config.stage1.crop)):
        needed = "x".join(map(str, config.stage1.crop))
        raise DataError(
            f"volumes of {'x'.join(map(str, shape))} voxels are too small: this preset's crops are {needed}"
        )
    if stage == "fit":
        parts = predict_fitting(config, shape, limit_bytes=limit_bytes)
    else:
        parts = predict_sampling(config.network, shape, limit_bytes=limit_bytes)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def require_memory(config: MedLoRDConfig, stage: Stage, shape: Shape, *, device: torch.device | str) -> None:
    """Refuse a stage that a GPU has not enough memory for, before it starts; on a CPU nothing is asked.

    Raises:
        BudgetExceededError: the prediction exceeds what this process may use.
    """
    limit = memory_limit(device)
    if not math.isfinite(limit):
        return
    what = {"fit": "training on", "sample": "generating"}[stage]
    prediction = predict(config, stage, shape, limit_bytes=limit)
    require_fits(prediction, limit, what=f"{what} {'x'.join(map(str, shape))} voxels")


def predict_sampling(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: a denoising step, and decoding in as many slabs as fit the limit.

    Args:
        network: the ControlNet takes part where there is one.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.
    """
    kept = sum(map(_weight_bytes, _sampled_on_meta(network)))
    count = _slabs(network.vqvae, shape, itemsize=2, limit_bytes=limit_bytes, kept=kept)
    return {
        "denoise": predict_peak(functools.partial(_denoise, network, shape)),
        "decode": predict_slabs(network, shape, part="decode", count=count),
    }


def predict_encoding(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> Prediction:
    """Return the prediction of encoding a volume in float32, in as many slabs as fit the limit."""
    kept = _weight_bytes(next(_sampled_on_meta(network)))
    count = _slabs(network.vqvae, shape, itemsize=4, limit_bytes=limit_bytes, kept=kept)
    return predict_slabs(network, shape, part="encode", count=count)


def predict_slabs(network: NetworkConfig, shape: Shape, *, part: Literal["decode", "encode"], count: int) -> Prediction:
    """Return the prediction of decoding a sample in half precision, or of encoding a volume, in ``count`` slabs."""
    run = {"decode": _decode, "encode": _encode}[part]
    return predict_peak(functools.partial(run, network, shape, count))


def predict_fitting(config: MedLoRDConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of the training of all stages, at the preset's batch and crop, and of encoding.

    Args:
        config: the preset.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass the VQ-VAE in as many slabs as it demands.
    """
    network = config.network
    with torch.device("meta"):
        trained = [build_vqvae(network.vqvae), build_discriminator(config.stage1)]
    kept = 3 * sum(map(_weight_bytes, trained))  # with AdamW's averages
    count = _slabs(network.vqvae, shape, itemsize=4, limit_bytes=limit_bytes, kept=kept)

    def first() -> None:
        step_stage1(network, config.stage1, Rehearsal(config.stage1.precision), search=_one_chunk)(shape, count)

    def diffusion(settings: DiffusionConfig, *, steered: bool) -> Prediction:
        rehearsal = Rehearsal(settings.precision)
        return predict_peak(lambda: step_diffusion(network, settings, shape, rehearsal, steered=steered))

    found = {
        "stage1": predict_peak(first),
        "encode": predict_encoding(network, shape, limit_bytes=limit_bytes),
        "stage2": diffusion(config.stage2, steered=False),
    }
    if config.stage3 is not None and network.controlnet is not None:
        found["stage3"] = diffusion(config.stage3, steered=True)
    return found


def _slabs(config: VqvaeConfig, shape: Shape, *, itemsize: int, limit_bytes: float, kept: int) -> int:
    left = (limit_bytes - CONTEXT_BYTES) / (1.0 + MARGIN) - kept
    return slabs_needed(config, shape, itemsize=itemsize, limit_bytes=left)


def _weight_bytes(module: torch.nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in (*module.parameters(), *module.buffers()))


def _sampled_on_meta(network: NetworkConfig) -> Iterator[torch.nn.Module]:
    with torch.device("meta"):
        yield build_vqvae(network.vqvae)
        yield from denoisers(network)


def denoisers(network: NetworkConfig) -> list[DiffusionModelUNet | ControlNet]:
    """Return the U-Net, and the ControlNet where there is one, as they are sampled with on a GPU: in float16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(sampling_dtype("cuda"))  # weights without contents cannot be converted
    try:
        unet = build_unet(network.unet, network.vqvae.codebook_dim).eval()
        return [unet] if network.controlnet is None else [unet, build_controlnet(network).eval()]
    finally:
        torch.set_default_dtype(before)


def _vqvae(config: VqvaeConfig) -> VQVAE:
    vqvae = build_vqvae(config)
    codebook_of(vqvae).search = _one_chunk
    return vqvae


def _one_chunk(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Hold what ``nearest_codes`` holds on a GPU; one chunk stands for all, which follow one another."""
    by_chunks(rows[: rows_at_once(codebook)], codebook)
    return rows.new_empty(len(rows), dtype=torch.int64)


@torch.no_grad()
def _denoise(network: NetworkConfig, shape: Shape) -> None:
    kept = _vqvae(network.vqvae).eval()
    unet, *controlnets = denoisers(network)
    number = sampling_dtype("cuda")
    latent, steps = torch.empty(1, *latent_shape(network, shape)), torch.zeros(1, dtype=torch.int64)
    if network.controlnet is None:
        unet(latent.to(number), steps)
    else:
        [controlnet] = controlnets
        embedded = controlnet.embedding(torch.empty(1, len(network.controlnet.regions), *shape, dtype=number))
        Steered(controlnet, unet).velocity(latent.to(number), steps, embedded)
    del kept


@torch.no_grad()
def _decode(network: NetworkConfig, shape: Shape, count: int) -> None:
    vqvae = _vqvae(network.vqvae).eval()
    kept = denoisers(network)
    with torch.autocast("cpu", dtype=torch.float16):
        quantised, _ = vqvae.quantize(torch.empty(1, *latent_shape(network, shape)))
        decode(vqvae, quantised, count=count)
    del kept


@torch.no_grad()
def _encode(network: NetworkConfig, shape: Shape, count: int) -> None:
    vqvae = _vqvae(network.vqvae).eval()
    codebook_of(vqvae)(encode(vqvae, torch.empty(1, 1, *shape), count=count))
