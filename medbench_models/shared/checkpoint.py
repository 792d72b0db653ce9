"""A generator's checkpoint: its networks in one safetensors file with all that sampling needs to know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import Field, ValidationError

from medbench.errors import CheckpointError
from medbench.generators.base import TrainingData
from medbench.spec import Spec
from medbench.storage.tensors import Stored, read_weights, write_weights

Network = TypeVar("Network", bound=Spec)
Described = TypeVar("Described", bound="Description[Any]")


class Description(Spec, Generic[Network]):
    """What a checkpoint says about itself; a generator adds what its own sampling needs.

    Args:
        model: registered name of the generator.
        preset: the preset it was trained with.
        network: all that the weights' names and shapes depend on.
        shape: voxels (x, y, z) of what it generates.
        affine: voxel index to RAS+ mm, row by row.
        seed: of the training.
        steps: of each stage, and the step whose weights were kept.
        scores: on the selection split.
        trained_on: number of training cases; 0 where the checkpoint was converted.
        flipped: axes along which the networks' arrays run against RAS+.
        converted_from: SHA-256 of the public files and which of their weights were taken; empty where it was trained.
        saw: the data that the weights were trained on, for the leak register; empty where nobody says.
    """

    model: str
    preset: str
    network: Network
    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...]
    seed: int
    steps: dict[str, int]
    scores: dict[str, float]
    trained_on: int
    flipped: tuple[int, ...] = ()
    converted_from: dict[str, str] = Field(default_factory=dict)
    saw: tuple[TrainingData, ...] = ()


def save(
    path: Path,
    networks: Mapping[str, Mapping[str, torch.Tensor]],
    description: Description[Any],
    *,
    stored: Stored = "float16",
    leave_out: Collection[str] = (),
) -> None:
    """Write the networks' states.

    Args:
        path: the file.
        networks: states by network; tensors are stored as ``NETWORK.NAME``.
        description: of the checkpoint.
        stored: type of the tensors in the file.
        leave_out: names within a network that only training needs.
    """
    weights = {
        f"{network}.{name}": value
        for network, state in networks.items()
        for name, value in state.items()
        if name not in leave_out
    }
    write_weights(path, weights, description.model_dump(mode="json"), stored=stored)


def read(
    path: Path, described: type[Described], *, model: str, how_to_convert: str | None = None
) -> tuple[dict[str, torch.Tensor], Described]:
    """Return a checkpoint's tensors (float32) and its description.

    Args:
        path: the file.
        described: the generator's kind of description.
        model: registered name of the generator.
        how_to_convert: the command that makes a checkpoint of a file of the public code; None: there is none.

    Raises:
        CheckpointError: damaged, another model's, or a file that torch saved.
    """
    if is_saved(path):
        mend = (
            "train one, or name a .safetensors file"
            if how_to_convert is None
            else f"convert it with `{how_to_convert}`"
        )
        raise CheckpointError(f"{path} is a file of the public code (or another pickle): {mend}")
    weights, document = read_weights(path, model=model)
    return weights, describe(path, described, document)


def describe(path: Path, described: type[Described], document: Mapping[str, Any]) -> Described:
    """Return a checkpoint's description.

    Raises:
        CheckpointError: it is none of that kind.
    """
    try:
        return described.model_validate(document)
    except ValidationError as error:
        raise CheckpointError(f"{path} describes itself in a way this version cannot read: train it again") from error


def differing(found: Spec, wanted: Spec) -> str:
    """Return the names of the settings in which two networks of one kind differ, in words; nothing where they agree."""
    return ", ".join(name for name in type(wanted).model_fields if getattr(found, name) != getattr(wanted, name))


def require_same_network(path: Path, description: Description[Any], wanted: Spec) -> None:
    """Refuse a checkpoint whose networks are not a preset's.

    Raises:
        CheckpointError: they are not; the message names what differs.
    """
    if other := differing(description.network, wanted):
        raise CheckpointError(
            f"{path} was made by the preset {description.preset!r} with another {other} configuration:"
            " choose its preset"
        )


def is_saved(path: Path) -> bool:
    """Say whether torch saved a file; the length before the JSON of a safetensors file may begin with the same byte."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        start = handle.read(9)
    return start.startswith(b"PK\x03\x04") or (start.startswith(b"\x80") and start[8:] != b"{")
