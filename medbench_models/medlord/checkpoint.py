"""MedLoRD's checkpoint: what it says beside its weights, and its networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from monai.networks.nets import DiffusionModelUNet

from medbench.errors import CheckpointError
from medbench.storage.tensors import fill
from medbench_models.medlord.config import NetworkConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.shared import checkpoint
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae

MODEL: Final = "medlord"


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself, and what sampling needs of it.

    Args:
        scale_factor: latents were multiplied by it before diffusion.
        ignored_regions: regions of the training label maps that the ControlNet was not given.
    """

    scale_factor: float
    ignored_regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description; ``controlnet`` is None where there is none."""

    vqvae: Vqvae
    unet: DiffusionModelUNet
    controlnet: ControlNet | None
    description: Description


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network; one without ControlNet serves for unconditional sampling.

    The length of the noise schedule is the checkpoint's: no weight's shape depends on it.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    convert = "python -m medbench_models.medlord.convert --preset luna-ds8 --vqvae FILE --unet FILE --out FILE"
    weights, description = checkpoint.read(path, Description, model=MODEL, how_to_convert=convert)
    checkpoint.require_same_network(path, description, as_stored(network, description.network))
    if not (math.isfinite(description.scale_factor) and description.scale_factor > 0.0):
        raise CheckpointError(f"{path} has the impossible scale factor {description.scale_factor}: train it again")
    parts = build(description.network)
    networks = torch.nn.ModuleDict(parts)
    fill(networks, weights, path=path, keep=[f"vqvae.{name}" for name in TRAINING_ONLY])
    networks.eval().to(device)
    return Loaded(parts["vqvae"], parts["unet"], parts.get("controlnet"), description)


def build(network: NetworkConfig) -> dict[str, torch.nn.Module]:
    """Return the networks by part, with fresh weights."""
    parts = {"vqvae": Vqvae(network.vqvae), "unet": build_unet(network.unet, network.vqvae.codebook_dim)}
    return parts if network.controlnet is None else {**parts, "controlnet": build_controlnet(network)}


def as_stored(network: NetworkConfig, found: NetworkConfig) -> NetworkConfig:
    """Return a preset's network as a checkpoint may hold it: with its own schedule, perhaps without a ControlNet."""
    return network.model_copy(
        update={
            "unet": network.unet.model_copy(update={"timesteps": found.unet.timesteps}),
            "controlnet": None if found.controlnet is None else network.controlnet,
        }
    )
