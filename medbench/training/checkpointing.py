"""Activation checkpointing: a layer's activations are computed again in the backward pass instead of being kept."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import torch  # noqa: TID253  this module is imported only by what trains
from torch.utils.checkpoint import checkpoint  # noqa: TID253  likewise


def checkpoint_activations(layers: Iterable[torch.nn.Module]) -> None:
    """Let layers keep their inputs only, from now on; names of parameters, gradients and outputs stay the same.

    Args:
        layers: modules without chance in them, since they run twice.
    """
    for layer in layers:
        # A partial, not a bound method: a deep copy of the layer then calls itself, not the original.
        layer.forward = functools.partial(_forward, layer)


def _forward(layer: torch.nn.Module, *inputs: Any, **named: Any) -> Any:
    forward = type(layer).forward
    if not torch.is_grad_enabled():
        return forward(layer, *inputs, **named)
    return checkpoint(forward, layer, *inputs, use_reentrant=False, **named)
