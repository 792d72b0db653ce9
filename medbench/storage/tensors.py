"""Files of tensors: safetensors, with a JSON description inside where medbench wrote them, and what torch has saved.

Nothing else is opened, and code in a file never runs.
"""

from __future__ import annotations

import json
import math
import pickle
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medbench.errors import CheckpointError
from medbench.storage.files import atomic_path

if TYPE_CHECKING:
    import torch

Stored = Literal["float16", "float32"]

_KEY = "medbench"
_SHOWN = 3
_LARGEST = 1e7  # weights lie below 1e3, and what a codebook's moving averages count below 1e6
# What torch's unpickler raises on bytes that are no checkpoint, beside its own error.
_DAMAGE = (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, OSError)


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


def read_weights(path: Path, *, model: str | None = None) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights that medbench wrote, as float32, and their description; arguments and errors: ``read_stored``."""
    tensors, description = read_stored(path, model=model)
    return {name: value.float() for name, value in tensors.items()}, description


def read_stored(path: Path, *, model: str | None = None) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights that medbench wrote, of the type that the file has, and their description.

    Args:
        path: the safetensors file.
        model: what the description must name as its ``model``; None: anything.

    Raises:
        CheckpointError: the file is absent, truncated, not safetensors, not medbench's, or another model's.
    """
    tensors, metadata = _read_safetensors(path)
    if _KEY not in metadata:
        raise CheckpointError(f"{path} was not written by medbench: it says neither its model nor its settings")
    description: dict[str, Any] = json.loads(metadata[_KEY])
    if model is not None and description.get("model") != model:
        raise CheckpointError(f"{path} belongs to the model {description.get('model')!r}, not to {model}")
    return tensors, description


def read_description(path: Path) -> dict[str, Any] | None:
    """Return what a file that medbench wrote says about itself; None for any other file. No tensor is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            description: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    return description


def read_tensors(path: Path, *, under: str | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file, or of a state dict that torch saved, on the CPU.

    Args:
        path: the file.
        under: the entry of what torch saved that holds the state dict; None: it is the state dict.

    Raises:
        CheckpointError: damaged, or not a mapping of names to tensors.
    """
    import torch

    if path.suffix == ".safetensors":
        return _read_safetensors(path)[0]
    state: Any = read_saved(path)
    if under is not None:
        state = state.get(under)
        if state is None:
            raise CheckpointError(f"{path} has no entry '{under}': it is not the file that is wanted, get it again")
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} is no bare state dict: it must map names to tensors and hold nothing else")
    return state


def read_saved(path: Path) -> dict[str, Any]:
    """Return the mapping that torch has saved, its tensors on the CPU.

    Raises:
        CheckpointError: absent, damaged, no mapping, or with code in it.
    """
    import torch

    try:
        with warnings.catch_warnings():  # what matters of a file is in the one line that refuses it
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            document = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: give a checkpoint file") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is damaged or holds something besides tensors and numbers (it may be code), which is not loaded: "
            "get it again"
        ) from error
    except _DAMAGE as error:
        raise CheckpointError(f"{path} is no readable checkpoint: get it again") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} holds a {type(document).__name__}, not a checkpoint: get it again")
    return document


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  no dict
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: name a checkpoint, or train one") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: train or fetch it again") from error


def fill(
    network: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    path: Path,
    name: str = "the network",
    keep: Collection[str] = (),
) -> None:
    """Load tensors into a network that has exactly these names and shapes.

    Args:
        network: takes the tensors.
        state: tensors by name.
        path: the file they came from, for the message.
        name: what the file should be, for the message.
        keep: names that the network keeps, since the file does not hold them.

    Raises:
        CheckpointError: see ``require_same``.
    """
    wanted = {key: value for key, value in network.state_dict().items() if key not in keep}
    require_same(wanted, state, path=path, name=name)
    network.load_state_dict(state, strict=not keep)


def require_same(
    wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], *, path: Path, name: str = "the network"
) -> None:
    """Refuse a file's tensors that cannot be the wanted ones; ``path`` and ``name`` as for ``fill``.

    Raises:
        CheckpointError: names or shapes differ, or numbers cannot be weights; the message has the first of each kind.
    """
    if told := _told(differences(wanted, found)):
        raise CheckpointError(f"{path} does not fit {name}: tensors {told}")
    if told := _told(impossible(found)):
        raise CheckpointError(f"{path} holds numbers that cannot be weights, in tensors {told}: get or train it again")


def differences(wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> dict[str, tuple[str, ...]]:
    """Return the names of tensors that are missing, unexpected or of another shape, by which of these they are."""
    return _where_any(
        {
            "missing": [key for key in wanted if key not in found],
            "unexpected": [key for key in found if key not in wanted],
            "of another shape": [key for key in wanted if key in found and wanted[key].shape != found[key].shape],
        }
    )


def impossible(found: Mapping[str, torch.Tensor]) -> dict[str, tuple[str, ...]]:
    """Return the names of tensors whose numbers cannot be weights, by why; those on the meta device have none."""
    numbers = {key: value for key, value in found.items() if value.is_floating_point() and value.numel()}
    largest = {key: float(value.abs().max()) for key, value in numbers.items() if not value.is_meta}
    return _where_any(
        {
            "with NaN or infinity": [key for key, value in largest.items() if not math.isfinite(value)],
            f"with numbers beyond {_LARGEST:g}": [
                key for key, value in largest.items() if math.isfinite(value) and value > _LARGEST
            ],
        }
    )


def _where_any(names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {fault: tuple(keys) for fault, keys in names.items() if keys}


def _told(faults: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{len(keys)} {fault} ({', '.join(keys[:_SHOWN])}{', ..' if len(keys) > _SHOWN else ''})"
        for fault, keys in faults.items()
    )
