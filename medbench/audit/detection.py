"""Whether a metric sees damage: rank correlation with its strength, and the strength from which it stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Better = Literal["lower", "higher"]


LIMITS_VERSION = "1"
"""Raised whenever ``limits_of`` would return other limits for the same values."""


@dataclass(frozen=True)
class Limits:
    """What undamaged real volumes reach.

    Args:
        worse: a value on the worse side of it counts as detected; None where it cannot be had.
        better: a value on the better side of it is better than real volumes ever are; None likewise.
        how: how they were made, or why there are none.
    """

    worse: float | None
    better: float | None
    how: str


def limits_of(
    undamaged: float, floor_values: Sequence[float], ci95: tuple[float, float] | None, *, better: Better
) -> Limits:
    """Return the limits from the values between random splits of real volumes, else from the undamaged set's interval.

    A limit is the worst (or best) split, and not nearer to the undamaged set's value than that split is to the mean of
    the splits: a held-out set that by chance scores like the worst split must not make every trifle count.

    Args:
        undamaged: the value of the undamaged set.
        floor_values: the metric's value in each split at the audit's counts; empty where it has no such floor.
        ci95: the 95 % interval of the undamaged set's value.
        better: the metric's direction.
    """
    if floor_values:
        mean = sum(floor_values) / len(floor_values)
        low = min(*floor_values, undamaged - (mean - min(floor_values)))
        high = max(*floor_values, undamaged + (max(floor_values) - mean))
        how = (
            f"worst of {len(floor_values)} random splits of real volumes, and beyond the undamaged set by their spread"
        )
    elif ci95 is not None:
        low, high = ci95
        how = "end of the undamaged set's 95 % interval"
    else:
        return Limits(None, None, "no limit: neither splits of real volumes nor an interval")
    return Limits(high, low, how) if better == "lower" else Limits(low, high, how)


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
        limit: see ``Limits``; None: nothing can be detected.
        better: the metric's direction; the other one asks from when on values are better than real volumes ever are.
    """
    if limit is None:
        return None
    found = None
    for strength, value in reversed(list(zip(strengths, values))):
        if strength == 0 or value is None or not (value > limit if better == "lower" else value < limit):
            break
        found = strength
    return found
