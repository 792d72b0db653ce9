"""The checkpoint of a GAN that trains on slabs: what it says beside its weights, and the generator that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from medbench.errors import CheckpointError, DataError
from medbench.storage.tensors import fill
from medbench_models.shared import checkpoint
from medbench_models.shared.config import SlabGanConfig
from medbench_models.shared.slab_gan.networks import Pyramid, SlabGenerator, pyramid
from medbench_models.shared.weights import Checkpoints

NETWORK: Final = "generator"
Network = TypeVar("Network", bound=SlabGanConfig)


class Description(checkpoint.Description[Network]):
    """What a checkpoint says about itself.

    Args:
        resized_from: voxels (x, y, z) of the training volumes, where these were stretched to ``shape``.
    """

    resized_from: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Loaded:
    """Trunk and head, in evaluation mode, with the checkpoint's description."""

    generator: SlabGenerator
    description: Description[Any]


def load(path: Path, network: SlabGanConfig, device: str, *, checkpoints: Checkpoints) -> Loaded:
    """Read a checkpoint for a preset's network, whatever the shape that it generates.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    weights, description = checkpoint.read(
        path,
        Description[type(network)],
        model=checkpoints.model,
        how_to_convert=f"python -m {checkpoints.converter} --generator FILE --preset PRESET",
    )
    checkpoint.require_same_network(path, description, network)
    generator = SlabGenerator(network, grids_of(path, description))
    fill(generator, {name.removeprefix(f"{NETWORK}."): value for name, value in weights.items()}, path=path)
    return Loaded(generator.eval().to(device), description)


def grids_of(path: Path, description: Description[Any]) -> Pyramid:
    """Return the grids of what a checkpoint generates.

    Raises:
        CheckpointError: its networks cannot make the shape that it states.
    """
    try:
        return pyramid(description.network, description.shape)
    except DataError as error:
        raise CheckpointError(f"{path} describes what cannot be: {error}") from error
