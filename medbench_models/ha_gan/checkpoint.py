"""HA-GAN's checkpoint: what it says beside its weights, and the generator that samples are made with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medbench.errors import CheckpointError, DataError
from medbench.storage.tensors import fill
from medbench_models.ha_gan.config import NetworkConfig
from medbench_models.shared import checkpoint
from medbench_models.shared.hierarchical import SlabGenerator, pyramid

MODEL: Final = "ha-gan"
NETWORK: Final = "generator"


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself.

    Args:
        resized_from: voxels (x, y, z) of the training volumes, where these were stretched to ``shape``.
    """

    resized_from: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Loaded:
    """The generator, without its head for small volumes, in evaluation mode, with its description."""

    generator: SlabGenerator
    description: Description


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network, whatever the shape that it generates.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    convert = "python -m medbench_models.ha_gan.convert --generator FILE --preset PRESET"
    weights, description = checkpoint.read(path, Description, model=MODEL, how_to_convert=convert)
    checkpoint.require_same_network(path, description, network)
    try:
        grids = pyramid(network, description.shape)
    except DataError as error:
        raise CheckpointError(f"{path} describes what cannot be: {error}") from error
    generator = SlabGenerator(network, grids)
    fill(generator, {name.removeprefix(f"{NETWORK}."): value for name, value in weights.items()}, path=path)
    return Loaded(generator.eval().to(device), description)
