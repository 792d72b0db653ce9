"""The memory that MAISI's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import nn

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.maisi import windows
from medbench_models.maisi.config import MaisiConfig, NetworkConfig
from medbench_models.maisi.networks import BITS, Autoencoder, Denoiser, Steered, build_controlnet, build_trained
from medbench_models.maisi.processes import build_schedule
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.diffusion import step_diffusion
from medbench_models.shared.gan import require_crops
from medbench_models.shared.klgan import step_klgan
from medbench_models.shared.memory import bytes_of
from medbench_models.shared.precision import built_as_sampled, sampling_dtype

Shape = Sequence[int]


def predict(
    config: MaisiConfig, stage: Stage, shape: Shape, *, limit_bytes: float = math.inf, frozen: bool
) -> Prediction:
    """Return the prediction of a whole stage: of its heaviest part, since the parts run one after the other.

    Args:
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z).
        limit_bytes: memory in all.
        frozen: whether the autoencoder is not trained.

    Raises:
        DataError: a shape that the networks cannot halve as often as they do, or that is smaller than a training crop.
    """
    require_divisible(shape, config.network.multiple)
    if stage == "sample":
        parts = predict_sampling(config.network, shape, limit_bytes=limit_bytes)
    else:
        if not frozen:
            require_crops(config.stage1, shape)
        parts = predict_fitting(config, shape, limit_bytes=limit_bytes, frozen=frozen)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def predict_sampling(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: embedding its label map, a denoising step, and decoding.

    Args:
        network: the ControlNet takes part where there is one.
        shape: voxels (x, y, z).
        limit_bytes: memory in all; the volume is decoded in the windows that it demands.
    """
    with torch.device("meta"):
        kept = bytes_of(*_as_sampled(network))
    chosen = windows.windows_for(
        network.autoencoder, _positions(network, shape), itemsize=2, limit_bytes=limit_bytes, kept_bytes=kept
    )
    return {
        "denoise": predict_peak(partial(_denoise, network, shape)),
        "decode": predict_peak(partial(_decode, network, shape, chosen)),
    }


def predict_fitting(
    config: MaisiConfig, shape: Shape, *, limit_bytes: float = math.inf, frozen: bool
) -> dict[str, Prediction]:
    """Return the predictions of the training of all stages, at the preset's batch and crop, and of encoding.

    Args:
        config: the preset.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass the autoencoder in the windows that it demands.
        frozen: whether the autoencoder is not trained.
    """
    network = config.network

    def diffusion(settings: DiffusionConfig, *, steered: bool) -> Prediction:
        fabric = Rehearsal(settings.precision)
        return predict_peak(partial(step_denoiser, network, settings, shape, fabric, steered=steered))

    found = {
        "encode": predict_peak(partial(_encode, network, shape, limit_bytes)),
        "stage2": diffusion(config.stage2, steered=False),
    }
    if not frozen:
        build, fabric = partial(Autoencoder, network.autoencoder), Rehearsal(config.stage1.precision)
        found["stage1"] = predict_peak(partial(step_klgan, build, config.stage1, fabric))
    if config.stage3 is not None and network.controlnet is not None:
        found["stage3"] = diffusion(config.stage3, steered=True)
    return found


def step_denoiser(
    network: NetworkConfig, config: DiffusionConfig, shape: Shape, fabric: Rehearsal | Fabric, *, steered: bool
) -> None:
    """Take a step of stage 2, or of stage 3 where ``steered``, on empty latents and label maps."""
    unet = Denoiser(network).unet.state_dict() if steered else None
    trained = build_trained(network, config, unet)
    if isinstance(trained, Steered):
        fabric.to_device(trained.denoiser)
    del unet
    positions = _positions(network, shape)
    told: list[Shape] = [(3,), (2,), *([(BITS, *shape)] if steered else [])]
    latent = (network.autoencoder.latent_channels, *positions)
    step_diffusion(trained, config, build_schedule(network, positions), fabric, shape=latent, conditions=told)


def _positions(network: NetworkConfig, shape: Shape) -> tuple[int, ...]:
    return tuple(size // network.autoencoder.factor for size in shape)


def _as_sampled(network: NetworkConfig) -> list[nn.Module]:
    """Return all networks as they are sampled with on a GPU, in half precision: denoiser or both, and autoencoder."""
    with built_as_sampled():
        denoiser = Denoiser(network).eval()
        steered = [] if network.controlnet is None else [build_controlnet(network).eval()]
        return [Autoencoder(network.autoencoder).eval(), denoiser, *steered]


@torch.no_grad()
def _denoise(network: NetworkConfig, shape: Shape) -> None:
    _, denoiser, *controlnets = kept = _as_sampled(network)
    positions = _positions(network, shape)
    latent = torch.empty(1, network.autoencoder.latent_channels, *positions, dtype=sampling_dtype("cuda"))
    told = torch.ones(1, 3), torch.zeros(1, 2, dtype=torch.int64)
    times = torch.zeros(1)
    if controlnets:
        bits = torch.empty(1, BITS, *shape, dtype=sampling_dtype("cuda"))
        steered = Steered(controlnets[0], denoiser)
        embedded = steered.without_embedding()(bits)
        del bits
        steered(latent, times, *told, embedded)
    else:
        denoiser(latent, times, *told)
    del kept


@torch.no_grad()
def _decode(network: NetworkConfig, shape: Shape, chosen: windows.Windows) -> None:
    """Decode the first window, since all are alike and what is blended lies on the CPU."""
    autoencoder, *_ = kept = _as_sampled(network)
    positions = _positions(network, shape)
    latent = torch.empty(1, network.autoencoder.latent_channels, *chosen.within(positions))
    windows.decode(autoencoder, latent, chosen)
    del kept


@torch.no_grad()
def _encode(network: NetworkConfig, shape: Shape, limit_bytes: float) -> None:
    """Encode the first window of a volume."""
    autoencoder = _as_sampled(network)[0]
    positions = _positions(network, shape)
    chosen = windows.windows_for(network.autoencoder, positions, itemsize=2, limit_bytes=limit_bytes)
    factor = network.autoencoder.factor
    image = torch.empty(1, 1, *(factor * size for size in chosen.within(positions)))
    windows.encode(autoencoder, image, chosen)
