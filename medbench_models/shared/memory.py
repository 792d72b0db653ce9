"""What a process may hold on a GPU, and what it may not start because of that."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from medbench.budget.prediction import Prediction, require_fits


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


def require_memory(predict: Callable[[float], Prediction], *, what: str, device: torch.device | str) -> None:
    """Refuse a computation that a GPU has not enough memory for, before it starts; on a CPU nothing is asked.

    Args:
        predict: returns the prediction for a limit in bytes.
        what: the computation, in words, for the message.
        device: torch device.

    Raises:
        BudgetExceededError: the prediction exceeds what this process may use.
    """
    limit = memory_limit(device)
    if math.isfinite(limit):
        require_fits(predict(limit), limit, what=what)
