"""The energy distance of two samples: how far what a GAN makes is from real volumes, which its losses do not say."""

from __future__ import annotations

import torch


def energy_distance(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return 2 E|x - y| - E|x - x'| - E|y - y'|, where |x - y| is the root mean square over the numbers of a row.

    Pairs of a row with itself are left out: the estimate has no bias at any count, and may be negative.

    Args:
        rows: (n, d), n > 1.
        others: (m, d), m > 1.

    Source: Székely, Rizzo 2013, Journal of Statistical Planning and Inference 143:1249.

    >>> zero, one = torch.zeros(2, 3), torch.ones(2, 3)
    >>> float(energy_distance(zero, one)), float(energy_distance(one, one))
    (2.0, 0.0)
    """
    return 2.0 * _distances(rows, others).mean() - _within(rows) - _within(others)


def _within(rows: torch.Tensor) -> torch.Tensor:
    count = len(rows)
    return _distances(rows, rows).sum() / (count * (count - 1))


def _distances(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return torch.cdist(rows, others) / rows.shape[1] ** 0.5
