"""One optimiser step of several forward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch  # noqa: TID253  this module is imported only by what trains
from lightning_fabric import Fabric

from medbench.training.rehearsal import Rehearsal


def descend(
    fabric: Fabric | Rehearsal,
    module: Any,
    optimiser: Any,
    passes: Sequence[Callable[[], torch.Tensor]],
    *,
    clip_norm: float = 1.0,
) -> torch.Tensor:
    """Make one optimiser step down the mean of several losses, and return that mean.

    Args:
        fabric: the launched one.
        module: what is trained, as ``fabric.setup`` returned it.
        optimiser: its optimiser, likewise.
        passes: each computes a loss; its activations are let go of before the next begins.
        clip_norm: largest norm of all gradients together.
    """
    losses = []
    for number, compute in enumerate(passes, start=1):
        with fabric.no_backward_sync(module, enabled=number < len(passes)):  # processes exchange the sum of all passes
            loss = compute()
            fabric.backward(loss / len(passes))
        losses.append(loss.detach())
        del loss
    fabric.clip_gradients(module, optimiser, max_norm=clip_norm)
    optimiser.step()
    optimiser.zero_grad()
    return torch.stack(losses).mean()
