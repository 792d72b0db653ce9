"""What a process may hold on a GPU."""

from __future__ import annotations

import math

import torch


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
