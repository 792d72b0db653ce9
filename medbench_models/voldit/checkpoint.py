"""VolDiT's checkpoint: what it says beside its weights, and its networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from medbench.errors import CheckpointError, DataError
from medbench.storage.tensors import fill, read_weights, require_same
from medbench_models.shared import checkpoint
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae
from medbench_models.voldit.adapter import TokenAdapter
from medbench_models.voldit.config import NetworkConfig
from medbench_models.voldit.dit import Dit
from medbench_models.voldit.networks import build_adapter, build_dit

MODEL: Final = "voldit"
_VQVAE: Final = "vqvae."


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself, and what sampling needs of it.

    Args:
        scale_factor: latents were multiplied by it before diffusion.
        ignored_regions: regions of the training label maps that the adapter was not given.
    """

    scale_factor: float
    ignored_regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description; ``adapter`` is None where there is none."""

    vqvae: Vqvae
    dit: Dit
    adapter: TokenAdapter | None
    description: Description


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network; one without adapter serves for unconditional sampling.

    The size of the codebook and the length of the noise schedule are the checkpoint's.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    convert = "python -m medbench_models.voldit.convert --vqvae FILE --dit FILE --scale-factor NUMBER --out FILE"
    weights, description = checkpoint.read(path, Description, model=MODEL, how_to_convert=convert)
    found = description.network
    checkpoint.require_same_network(path, description, as_stored(network, found))
    if not (math.isfinite(description.scale_factor) and description.scale_factor > 0.0):
        raise CheckpointError(f"{path} has the impossible scale factor {description.scale_factor}: train it again")
    try:
        parts = build(found, description.shape)
    except DataError as error:
        raise CheckpointError(f"{path} has an impossible shape: {error}") from error
    fill(torch.nn.ModuleDict(parts), weights, path=path, keep=[f"{_VQVAE}{name}" for name in TRAINING_ONLY])
    for part in parts.values():
        part.eval().to(device)
    return Loaded(parts["vqvae"], parts["dit"], parts.get("adapter"), description)


def build(network: NetworkConfig, shape: Sequence[int]) -> dict[str, torch.nn.Module]:
    """Return the networks by part, with fresh weights, for volumes of ``shape`` voxels (x, y, z).

    Raises:
        DataError: the shape does not divide into tokens.
    """
    require_divisible(shape, network.multiple)
    parts = {"vqvae": Vqvae(network.vqvae), "dit": build_dit(network, shape)}
    return parts if network.adapter is None else {**parts, "adapter": build_adapter(network)}


def frozen_vqvae(path: Path, config: VqvaeConfig) -> dict[str, torch.Tensor]:
    """Return the VQ-VAE of a checkpoint of medbench, MedLoRD's or VolDiT's, without what only its training needs.

    Raises:
        CheckpointError: damaged, not medbench's, or with another VQ-VAE.
    """
    weights, _ = read_weights(path)
    found = {name.removeprefix(_VQVAE): value for name, value in weights.items() if name.startswith(_VQVAE)}
    wanted = {name: value for name, value in Vqvae(config).state_dict().items() if name not in TRAINING_ONLY}
    require_same(wanted, found, path=path, name="the preset's VQ-VAE")
    return found


def as_stored(network: NetworkConfig, found: NetworkConfig) -> NetworkConfig:
    """Return a preset's network as a checkpoint may hold it: with its own codes and schedule, perhaps no adapter."""
    return network.model_copy(
        update={
            "vqvae": network.vqvae.model_copy(update={"codebook_size": found.vqvae.codebook_size}),
            "dit": network.dit.model_copy(update={"timesteps": found.dit.timesteps}),
            "adapter": None if found.adapter is None else network.adapter,
        }
    )
