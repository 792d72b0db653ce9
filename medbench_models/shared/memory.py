"""What a process may hold on a GPU, and what it may not start because of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import torch

from medbench.budget.prediction import Prediction, require_fits
from medbench.generators.base import Stage

_WORDS: Final = {"fit": "training on", "sample": "generating"}


class Predict(Protocol):
    """What predicts a stage's memory; see ``medbench.generators.base.Predicts``."""

    def __call__(self, stage: Stage, shape: Sequence[int], *, limit_bytes: float) -> Prediction:
        """Return the peak of a stage on volumes of a shape."""


def memory_limit(device: torch.device | str) -> float:
    """Return what this process may hold on a device, in bytes: its cap, or what others have left; infinite on a CPU."""
    if torch.device(device).type != "cuda":
        return math.inf
    total = torch.cuda.get_device_properties(device).total_memory
    share = torch.cuda.get_per_process_memory_fraction(device)
    free, _ = torch.cuda.mem_get_info(device)
    return min(share * total, free + torch.cuda.memory_reserved(device))


def bytes_of(*modules: torch.nn.Module) -> int:
    """Return the bytes of modules' parameters and buffers."""
    tensors = [value for module in modules for value in (*module.parameters(), *module.buffers())]
    return sum(value.numel() * value.element_size() for value in tensors)


def require_memory(predict: Predict, stage: Stage, shape: Sequence[int], *, device: torch.device | str) -> None:
    """Refuse a stage that a GPU has not enough memory for, before it starts; on a CPU nothing is asked.

    Args:
        predict: returns the prediction of a stage at a shape for a limit in bytes.
        stage: what is to run.
        shape: voxels (x, y, z).
        device: torch device.

    Raises:
        BudgetExceededError: the prediction exceeds what this process may use.
    """
    limit = memory_limit(device)
    if math.isfinite(limit):
        what = f"{_WORDS[stage]} {'x'.join(map(str, shape))} voxels"
        require_fits(predict(stage, shape, limit_bytes=limit), limit, what=what)
