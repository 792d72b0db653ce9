"""What the feature networks share: weights from a file, batches, and exact arithmetic."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.features.shrink import shrunk
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import torch

    Forward = Callable[[torch.Tensor], torch.Tensor]
    Build = Callable[[Path], torch.nn.Module]


def file_sha256(network: Any) -> str:
    """Return the SHA-256 of the file that a network declares as ``weights``; a class takes it for its own method.

    Raises:
        Unavailable: the weights are not here; the message says how to get them.
    """
    weights: WeightFile = network.weights
    return weights.sha256()


def loaded(weights: WeightFile, build: Build, device: str) -> Any:
    """Return the network of a weight file in evaluation mode, kept as long as the file stays the same.

    ``build`` makes it from the file's path; it is a function of a module, since it is part of the key.

    Raises:
        Unavailable: the weights are not here.
        CheckpointError: they are damaged or belong to another network.
    """
    return _loaded(weights.locate(), weights.sha256(), build, device)


@functools.lru_cache(maxsize=3)
def _loaded(path: Path, sha256: str, build: Build, device: str) -> torch.nn.Module:
    del sha256  # part of the key: a file that was replaced is loaded again
    return build(path).eval().to(device)


def features_of_slices(slices: np.ndarray, forward: Forward, *, batch: int, dimension: int, device: str) -> np.ndarray:
    """Return features (n, dimension) float32 of slices (n, height, width) in 0..1, at most ``batch`` at once.

    A GPU is handed all batches before the first result is waited for, so that it never waits for the host.
    """
    starts = range(0, len(slices), batch)
    found = np.empty((len(slices), dimension), dtype=np.float32)
    with _exact():
        computed = [forward(_placed(slices[start : start + batch], device)) for start in starts]
        for start, features in zip(starts, computed):
            found[start : start + batch] = features.cpu().numpy()
    return found


def features_of_volume(voxels: np.ndarray, forward: Forward, *, most_voxels: int, device: str) -> np.ndarray:
    """Return the features (dimension,) float32 of voxels (x, y, z) in 0..1.

    ``forward`` has (1, dimension) of (1, 1, x, y, z); a volume of more than ``most_voxels`` is ``shrunk`` first.
    """
    with _exact():
        volume = shrunk(_placed(voxels, device)[None, None], most_voxels=most_voxels)
        found: np.ndarray = forward(volume)[0].cpu().numpy()
    return found


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    import torch

    # TF32 would make a CUDA device's features differ from a CPU's in the third digit.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def _placed(array: np.ndarray, device: str) -> torch.Tensor:
    import torch

    host = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if torch.device(device).type == "cuda":
        host = host.pin_memory()  # only from pinned pages does a copy go on while the host does
    return host.to(device, non_blocking=True)
