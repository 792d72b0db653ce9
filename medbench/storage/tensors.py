"""Weights files: safetensors with a JSON description inside, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medbench.errors import CheckpointError
from medbench.storage.files import atomic_path

if TYPE_CHECKING:
    import torch

Stored = Literal["float16", "float32"]

_KEY = "medbench"
_SHOWN = 3


def write_weights(
    path: Path, weights: Mapping[str, torch.Tensor], description: Mapping[str, Any], *, stored: Stored = "float16"
) -> None:
    """Write weights, whole or not at all.

    Args:
        path: the safetensors file.
        weights: tensors by name.
        description: what the file is and how it was made; strict JSON.
        stored: type of the tensors in the file.

    Raises:
        StorageError: the file cannot be written.
    """
    import torch
    from safetensors.torch import save

    dtype = torch.float16 if stored == "float16" else torch.float32
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in weights.items()}
    with atomic_path(path) as temporary:
        # Not safetensors' own file writer: its files are readable by their owner alone.
        temporary.write_bytes(save(tensors, metadata={_KEY: json.dumps(description, allow_nan=False)}))


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the weights as float32 and their description.

    Raises:
        CheckpointError: the file is absent, truncated, not safetensors, or was not written by medbench.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118  not a dict
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: name a checkpoint, or train one") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: train or fetch it again") from error
    if _KEY not in metadata:
        raise CheckpointError(f"{path} was not written by medbench: it says neither its model nor its settings")
    description: dict[str, Any] = json.loads(metadata[_KEY])
    return weights, description


def require_same(path: Path, wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights whose names or shapes are not the network's.

    Args:
        path: the file, for the message.
        wanted: the network's tensors by name.
        found: the file's.

    Raises:
        CheckpointError: names are missing or unexpected, or shapes differ.
    """
    differing = [name for name in wanted if name in found and wanted[name].shape != found[name].shape]
    problems = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of another shape": differing,
    }
    words = [f"{_shortened(names)} {problem}" for problem, names in problems.items() if names]
    if words:
        raise CheckpointError(f"{path} does not fit the network: {'; '.join(words)}")


def _shortened(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
