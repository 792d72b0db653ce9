"""Whether a metric sees damage: rank correlation with its strength, and the strength from which it stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Limit:
    """What undamaged real volumes reach: a value on the worse side of it counts as detected.

    Args:
        value: the worst of what real volumes show; None where that cannot be had.
        how: how it was made, or why there is none.
    """

    value: float | None
    how: str


def limit_of(
    undamaged: float, floor_values: Sequence[float], ci95: tuple[float, float] | None, *, better: Better
) -> Limit:
    """Return the limit from the values between random splits of real volumes, else from the undamaged set's interval.

    The limit is the worst split, and not nearer to the undamaged set's value than the worst split is to their mean: a
    held-out set that by chance scores as badly as the worst split must not make every trifle count.

    Args:
        undamaged: the value of the undamaged set.
        floor_values: the metric's value in each split at the audit's counts; empty where it has no such floor.
        ci95: the 95 % interval of the undamaged set's value.
        better: the metric's direction.
    """
    worst_of = max if better == "lower" else min
    if floor_values:
        worst = worst_of(floor_values)
        spread = worst - sum(floor_values) / len(floor_values)
        how = (
            f"worst of {len(floor_values)} random splits of real volumes, and beyond the undamaged set by their spread"
        )
        return Limit(worst_of(worst, undamaged + spread), how)
    if ci95 is not None:
        return Limit(worst_of(ci95), "end of the undamaged set's 95 % interval")
    return Limit(None, "no limit: neither splits of real volumes nor an interval")


def rank_correlation(strengths: Sequence[float], values: Sequence[float | None], *, better: Better) -> float | None:
    """Return Spearman's correlation of strength and value, positive where the value gets worse.

    Args:
        strengths: rising, 0 first.
        values: the metric's value at each; None where it could not be computed: those are left out.
        better: the metric's direction.

    Returns:
        -1 to 1; None where fewer than 3 values are there, or all are equal.
    """
    from scipy.stats import spearmanr

    known = [(strength, value) for strength, value in zip(strengths, values) if value is not None]
    if len(known) < 3 or len({value for _, value in known}) == 1:
        return None
    found = float(spearmanr(*np.transpose(known)).statistic)
    return found if better == "lower" else -found


def detected_from(
    strengths: Sequence[float], values: Sequence[float | None], limit: float | None, *, better: Better
) -> float | None:
    """Return the lowest strength from which on every value lies beyond the limit, on its worse side; None if never.

    Args:
        strengths: rising; a strength of 0 is no damage and never detected.
        values: the metric's value at each; None where it could not be computed, which counts as not detected.
        limit: see ``Limit``; None: nothing can be detected.
        better: the metric's direction.
    """
    if limit is None:
        return None
    found = None
    for strength, value in reversed(list(zip(strengths, values))):
        if strength == 0 or value is None or not (value > limit if better == "lower" else value < limit):
            break
        found = strength
    return found
