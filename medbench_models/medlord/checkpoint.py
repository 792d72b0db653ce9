"""MedLoRD's checkpoint: its networks in one safetensors file with all that sampling needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import DiffusionModelUNet
from pydantic import Field, ValidationError

from medbench.errors import CheckpointError
from medbench.spec import Spec
from medbench.storage.tensors import Stored, fill, read_weights, write_weights
from medbench_models.medlord.config import NetworkConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.shared.vqvae import Vqvae

MODEL = "medlord"
# Only training needs the codebook's moving averages.
_TRAINING_ONLY = ("quantizer.quantizer.ema_cluster_size", "quantizer.quantizer.ema_w")


class Description(Spec):
    """What a checkpoint says about itself.

    Args:
        model: always ``medlord``.
        preset: the preset it was trained with.
        network: the architecture.
        scale_factor: latents were multiplied by it before diffusion.
        shape: voxels (x, y, z) of what it generates.
        affine: voxel index to RAS+ mm, row by row.
        seed: of the training.
        steps: of each stage, and the step whose weights were kept.
        scores: on the selection split.
        trained_on: number of training cases; 0 where the checkpoint was converted.
        ignored_regions: regions of the training label maps that the ControlNet was not given.
        flipped: axes along which the networks' arrays run against RAS+.
        converted_from: SHA-256 of the public files and which of their weights were taken; empty where it was trained.
    """

    model: str
    preset: str
    network: NetworkConfig
    scale_factor: float
    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...]
    seed: int
    steps: dict[str, int]
    scores: dict[str, float]
    trained_on: int
    ignored_regions: tuple[str, ...] = ()
    flipped: tuple[int, ...] = ()
    converted_from: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description; ``controlnet`` is None where there is none."""

    vqvae: Vqvae
    unet: DiffusionModelUNet
    controlnet: ControlNet | None
    description: Description


def save(
    path: Path,
    networks: Mapping[str, Mapping[str, torch.Tensor]],
    description: Description,
    *,
    stored: Stored = "float16",
) -> None:
    """Write the networks' states.

    Args:
        path: the file.
        networks: states by network: ``vqvae``, ``unet`` and perhaps ``controlnet``.
        description: of the checkpoint.
        stored: type of the tensors in the file.
    """
    weights = {
        f"{network}.{name}": value
        for network, state in networks.items()
        for name, value in state.items()
        if name not in _TRAINING_ONLY
    }
    write_weights(path, weights, description.model_dump(mode="json"), stored=stored)


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network; one without ControlNet serves for unconditional sampling.

    The length of the noise schedule is the checkpoint's: no weight's shape depends on it.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    _refuse_pickles(path)
    weights, document = read_weights(path, model=MODEL)
    description = _description(path, document)
    found = description.network
    network = network.model_copy(update={"unet": network.unet.model_copy(update={"timesteps": found.unet.timesteps})})
    differing = [name for name in NetworkConfig.model_fields if getattr(found, name) != getattr(network, name)]
    if found.controlnet is None and "controlnet" in differing:
        differing.remove("controlnet")
    if differing:
        raise CheckpointError(
            f"{path} was made by the preset {description.preset!r} with another {', '.join(differing)} configuration:"
            " choose its preset"
        )
    vqvae, unet = Vqvae(found.vqvae), build_unet(found.unet, found.vqvae.codebook_dim)
    networks = torch.nn.ModuleDict({"vqvae": vqvae, "unet": unet})
    controlnet = None if found.controlnet is None else build_controlnet(found)
    if controlnet is not None:
        networks["controlnet"] = controlnet
    fill(networks, weights, path=path, keep=[f"vqvae.{name}" for name in _TRAINING_ONLY])
    networks.eval().to(device)
    return Loaded(vqvae, unet, controlnet, description)


def _refuse_pickles(path: Path) -> None:
    """Say how to convert what torch has saved; nothing of it is opened."""
    if not path.is_file():
        return
    with path.open("rb") as handle:
        start = handle.read(4)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        raise CheckpointError(
            f"{path} is a file of the public code (or another pickle): convert it with"
            " `python -m medbench_models.medlord.convert --preset luna-ds8 --vqvae FILE --unet FILE --out FILE`"
        )


def _description(path: Path, document: Mapping[str, Any]) -> Description:
    try:
        description = Description.model_validate(document)
    except ValidationError as error:
        raise CheckpointError(f"{path} describes itself in a way this version cannot read: train it again") from error
    if not (math.isfinite(description.scale_factor) and description.scale_factor > 0.0):
        raise CheckpointError(f"{path} has the impossible scale factor {description.scale_factor}: train it again")
    return description
