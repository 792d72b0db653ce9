"""Latents as sequences in raster order: along z first, then y, then x."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def to_sequence(latent: torch.Tensor) -> torch.Tensor:
    """Return code numbers (n, x, y, z) as sequences (n, x y z).

    >>> to_sequence(torch.tensor([[[[0, 1], [2, 3]], [[4, 5], [6, 7]]]]))
    tensor([[0, 1, 2, 3, 4, 5, 6, 7]])
    """
    return latent.flatten(1)


def to_latent(sequence: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Return sequences (n, length) as code numbers (n, *shape); it undoes ``to_sequence``.

    Args:
        sequence: tokens, the one that begins a sequence left out.
        shape: latent positions (x, y, z).
    """
    return sequence.unflatten(1, tuple(shape))


def inputs_of(sequence: torch.Tensor, begin: int) -> torch.Tensor:
    """Return what a transformer is given to predict each token of sequences (n, length): those before it.

    The token ``begin`` comes first and the last token is dropped, since nothing follows it.

    >>> inputs_of(torch.tensor([[3, 1, 2]]), begin=4)
    tensor([[4, 3, 1]])
    """
    return torch.cat([torch.full_like(sequence[:, :1], begin), sequence[:, :-1]], dim=1)
