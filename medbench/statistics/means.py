"""Intervals of means of bounded values and of shares.

Gaffke's holds where failures are rare.

A t interval knows the spread that it saw. Where one sample in twenty fails, most sets of eight show no failure, and
their interval excludes the true mean. Bounds help: between the values seen, and beyond the last of them up to the
bound, the unseen part of the distribution is spread as chance spreads points on a line.

Source: Gaffke 2005, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
variable, Mathematical Methods of Statistics 14:451; Learned-Miller, Thomas 2020, A new confidence interval for the mean
of a bounded random variable, arXiv:1905.06208. That it covers at least 95 % for every distribution is a conjecture to
which no exception is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medbench.statistics.resampling import Interval, Replicates, jackknife_interval, subject_means, too_few

_TAIL = 0.025
_STEP = 0.08
_REACH = 32.0


def bounded_mean_interval(
    values: np.ndarray, subjects: Sequence[str], *, low: float = 0.0, high: float = 1.0, whose: str = ""
) -> Interval:
    """Return Gaffke's interval of the mean over subjects; volumes of one subject are averaged first.

    Args:
        values: (volumes,) one number a volume, within the bounds.
        subjects: the subject of each volume.
        low: no value can be below.
        high: no value can be above.
        whose: names the subjects in the interval's method.

    Raises:
        ValueError: a value lies outside the bounds.

    Example:
        >>> found = bounded_mean_interval(np.full(16, 0.95), list("abcdefghijklmnop"))
        >>> [round(end, 2) for end in found.ends]  # none failed, and yet one in five may
        [0.75, 0.96]
    """
    absent = too_few(subjects)
    if absent is not None:
        return absent
    means = (subject_means(values, subjects) - low) / (high - low)
    if means.min() < -1e-9 or means.max() > 1.0 + 1e-9:
        raise ValueError(f"a mean of values from {low:g} to {high:g}: one lies outside of that")
    means = means.clip(0.0, 1.0)
    lower, upper = weighted_quantile(np.append(means, 0.0), _TAIL), weighted_quantile(np.append(means, 1.0), 1 - _TAIL)
    method = f"Gaffke's interval of a mean of values within {low:g} and {high:g}, over {len(means)} subjects{whose}"
    return Interval((low + (high - low) * lower, low + (high - low) * upper), method)


def weighted_quantile(values: np.ndarray, level: float) -> float:
    """Return the quantile of the mean of values under random weights, uniform among those that sum to 1.

    Args:
        values: (n,) of 0 to 1.
        level: above 0, below 1.

    Example:
        >>> round(weighted_quantile(np.array([0.0, 1.0]), 0.25), 6)  # of a uniform number
        0.25
    """
    from scipy.optimize import brentq

    least, most = float(values.min()), float(values.max())
    if most - least < 1e-12:
        return least
    found: float = brentq(lambda mean: share_below(values, mean) - level, least, most, xtol=1e-9)
    return found


def share_below(values: np.ndarray, mean: float) -> float:
    """Return how probable it is that the randomly weighted mean of values does not exceed a number.

    Such weights are independent exponential numbers over their sum. The mean stays below m where Σ Eᵢ (xᵢ - m) stays
    below 0; the characteristic function of that sum is a product, which is inverted numerically.

    Args:
        values: (n,).
        mean: the number, between the least and the greatest of them.

    Example:
        >>> round(share_below(np.array([0.0, 1.0, 2.0]), 1.0), 6)
        0.5

    Source: Gil-Pelaez 1951, Biometrika 38:481; Imhof 1961, Biometrika 48:419.
    """
    away = values - mean
    away = away[away != 0.0]
    if len(away) == 0 or np.all(away < 0):
        return 1.0
    if np.all(away > 0):
        return 0.0
    # Even steps of log s: the integrand is smooth there and falls off on both sides.
    steps = np.exp(np.arange(-_REACH, _REACH, _STEP)) / float(np.linalg.norm(away))
    turned = steps[:, None] * away
    angle, damping = np.arctan(turned).sum(axis=1), 0.5 * np.log1p(np.square(turned)).sum(axis=1)
    found = 0.5 - _STEP / np.pi * float((np.sin(angle) * np.exp(-damping)).sum())
    return min(max(found, 0.0), 1.0)


def arcsine_interval(value: float, *, real: Replicates, synthetic: Replicates) -> Interval:
    """Return a jackknife interval made on the scale of arcsin √value, where the spread of a share is even.

    On its own scale the interval of a share near 0 or 1 covers too seldom. At 0 and 1 themselves leaving subjects out
    changes nothing, and there is none.

    Args:
        value: a share, in 0..1.
        real: replicates without one group of real subjects after another.
        synthetic: likewise on the other side.

    Example:
        >>> side = Replicates(np.array([0.97, 0.99, 0.96, 0.99]), np.ones(4))
        >>> [round(end, 2) for end in arcsine_interval(0.98, real=side, synthetic=side).ends]
        [0.78, 1.0]
    """
    replicates = {"real": real, "synthetic": synthetic}
    if value in (0.0, 1.0):
        reason = f"absent: at a share of {value:.0f}, leaving subjects out does not show its spread"
        return Interval(None, reason, replicates)
    scaled = {name: Replicates(_arcsine(side.values), side.sizes) for name, side in replicates.items()}
    found = jackknife_interval(float(_arcsine(value)), **scaled, non_negative=True)
    assert found.ends is not None  # both sides have groups
    low, high = (float(np.sin(min(end, np.pi / 2)) ** 2) for end in found.ends)
    method = f"delete-a-group jackknife over subjects on the arcsine scale, {len(real.sizes)} real and "
    return Interval((low, high), f"{method}{len(synthetic.sizes)} synthetic groups, t quantile", replicates)


def _arcsine(share: float | np.ndarray) -> np.ndarray:
    scaled: np.ndarray = np.arcsin(np.sqrt(share))
    return scaled
