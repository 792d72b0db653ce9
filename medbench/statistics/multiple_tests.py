"""Holm's adjustment of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted by Holm's method over all that are there.

    Args:
        p_values: 0 to 1; None where there is no test: it stays None and counts for nothing.

    Example:
        >>> holm([0.25, 0.125, None])
        [0.25, 0.25, None]

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = highest
    return adjusted
