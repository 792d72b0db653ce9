"""What several processes know together, with gradients: sums and rows of all of them.

Each process computes the same loss of what is gathered; the mean of its gradients over the processes, which is what
they train by, is then the gradient of that loss.
"""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253  this module is imported only by what trains
from torch import distributed  # noqa: TID253  likewise


class _Sum(torch.autograd.Function):
    """The sum over all processes; each one's part has had a share in all processes' losses."""

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor) -> torch.Tensor:
        del ctx
        total = part.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        del ctx
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def processes() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def summed(part: torch.Tensor) -> torch.Tensor:
    """Return the sum of all processes' tensors of one shape."""
    if processes() == 1:
        return part
    total: torch.Tensor = _Sum.apply(part)
    return total


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes (processes x n, ...), in the order of the samples that they come from.

    Args:
        rows: (n, ...), as many on each process.
    """
    if processes() == 1:
        return rows
    first = distributed.get_rank() * len(rows)
    after = processes() * len(rows) - first - len(rows)
    parts = [rows.new_zeros(first, *rows.shape[1:]), rows, rows.new_zeros(after, *rows.shape[1:])]
    return summed(torch.cat(parts))  # of zeros and the rows: nothing is rounded
