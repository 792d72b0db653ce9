"""MAISI's checkpoint: what it says beside its weights, and its networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from medbench.errors import CheckpointError
from medbench.storage.tensors import fill
from medbench.training.attention import best_backend
from medbench_models.maisi.config import NetworkConfig, Region
from medbench_models.maisi.networks import Autoencoder, Denoiser, Steered, build_controlnet
from medbench_models.shared import checkpoint
from medbench_models.shared.attention import use_attention
from medbench_models.shared.precision import sampling_dtype


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself, and what sampling needs of it.

    Args:
        scale_factor: latents were multiplied by it before diffusion.
        regions: the uppermost and the lowest region of the body that it generates.
        autoencoder: SHA-256 of the file that a frozen autoencoder came from; None where it was trained with the rest.
    """

    scale_factor: float
    regions: tuple[Region, Region]
    autoencoder: str | None = None


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description.

    Args:
        autoencoder: between volumes and latents.
        denoiser: the U-Net.
        steered: the U-Net with its ControlNet, whose label maps are embedded by
        embedding: the ControlNet's, once for all steps; both are None where there is no ControlNet.
        description: of the checkpoint.
    """

    autoencoder: Autoencoder
    denoiser: Denoiser
    steered: Steered | None
    embedding: nn.Module | None
    description: Description


def load(path: Path, model: str, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network; one without ControlNet serves for unconditional sampling.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    convert = "python -m medbench_models.maisi.convert --preset rflow --autoencoder FILE --unet FILE --out FILE"
    weights, description = checkpoint.read(path, Description, model=model, how_to_convert=convert)
    found = description.network
    checkpoint.require_same_network(path, description, as_stored(network, found))
    if not (math.isfinite(description.scale_factor) and description.scale_factor > 0.0):
        raise CheckpointError(f"{path} has the impossible scale factor {description.scale_factor}: train it again")
    autoencoder, denoiser = Autoencoder(found.autoencoder), Denoiser(found)
    networks = nn.ModuleDict({"autoencoder": autoencoder, "unet": denoiser.unet})
    controlnet = None if found.controlnet is None else build_controlnet(found)
    if controlnet is not None:
        networks["controlnet"] = controlnet
    fill(networks, weights, path=path)
    networks.eval().to(device, sampling_dtype(device))
    use_attention(networks, best_backend(device))
    if controlnet is None:
        return Loaded(autoencoder, denoiser, None, None, description)
    steered = Steered(controlnet, denoiser)
    return Loaded(autoencoder, denoiser, steered, steered.without_embedding(), description)


def as_stored(network: NetworkConfig, found: NetworkConfig) -> NetworkConfig:
    """Return a preset's network as a checkpoint may hold it: perhaps without a ControlNet."""
    return network if found.controlnet is not None else network.model_copy(update={"controlnet": None})
