"""Intervals over subjects: slices and volumes of one subject depend on each other and stay together.

A plain bootstrap of a Fréchet distance is biased upwards, since duplicates shrink the covariance; leaving out is not.
Hence a delete-a-group jackknife with both sides resampled, at the sample size that was measured: the interval holds
the sampling noise of the value at these counts; it does not remove the value's bias at small counts, which the floor
shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Stay = np.ndarray | slice
"""What stays of a side, as an index of its entries: a boolean mask, or ``slice(None)`` where all of it does."""

MOST_GROUPS = 20
FEWEST_SUBJECTS = 4


@dataclass(frozen=True, eq=False)
class Replicates:
    """What a statistic becomes when one group of subjects after another is left out.

    Args:
        values: (groups,) the statistic without each group.
        sizes: (groups,) subjects in each group.
        units: names what each group was made from, where another run may have been made from the same; None where
            nothing is shared.
    """

    values: np.ndarray
    sizes: np.ndarray
    units: str | None = None

    def variance(self, value: float) -> float:
        """Return the jackknife variance of ``value``, the statistic of all subjects.

        With equal groups it is (G - 1) / G · Σ (θ₋g - mean)²; unequal ones are weighted.

        Example:
            >>> leave_one_out = Replicates(np.array([2.5, 2.0, 1.5]), np.ones(3))
            >>> round(leave_one_out.variance(2.0), 3)  # of the mean of 1, 2, 3: s² / n
            0.333

        Source: Busing, Meijer, van der Leeden 1999, Delete-m jackknife for unequal m, Statistics and Computing 9:3.
        """
        return float(self.contributions(value).mean())

    def contributions(self, value: float) -> np.ndarray:
        """Return what each group contributes to ``variance``, which is their mean: (groups,), 0 or more.

        Example:
            >>> Replicates(np.array([2.5, 2.0, 1.5]), np.ones(3)).contributions(2.0).tolist()
            [0.5, 0.0, 0.5]
        """
        weights = self.sizes.sum() / self.sizes
        pseudo = weights * value - (weights - 1.0) * self.values
        centre = len(weights) * value - ((1.0 - 1.0 / weights) * self.values).sum()
        squares: np.ndarray = np.square(pseudo - centre) / (weights - 1.0)
        return squares


@dataclass(frozen=True)
class Interval:
    """A 95 % interval.

    Args:
        ends: lower and upper end; None where there is no interval.
        method: how it was made, or why there is none.
        replicates: what it was made from, by side (``real``, ``synthetic``); empty where no subjects were left out.
    """

    ends: tuple[float, float] | None
    method: str
    replicates: Mapping[str, Replicates] = field(default_factory=dict)


NOT_ASKED = Interval(None, "absent: only the value was asked for")


def too_few(*sides: Sequence[str]) -> Interval | None:
    """Return the absent interval, with its reason, if a side has too few subjects to be resampled; else None.

    Args:
        sides: the subject of each volume, for each side.

    Example:
        >>> too_few(["a", "a", "b"], ["c", "d", "e", "f"]).method
        'absent: an interval needs 4 subjects (of each side), there are 2'
    """
    fewest = min(len(set(subjects)) for subjects in sides)
    if fewest >= FEWEST_SUBJECTS:
        return None
    return Interval(None, f"absent: an interval needs {FEWEST_SUBJECTS} subjects (of each side), there are {fewest}")


def groups_of(subjects: Sequence[Any], *, most: int = MOST_GROUPS) -> np.ndarray:
    """Return the group (0 to G - 1) of each volume: whole subjects, as evenly as can be, at most ``most`` groups.

    Subjects are dealt in the order of their names, so that the order of the volumes changes nothing.

    Example:
        >>> groups_of(["b", "a", "c", "a"], most=2).tolist()
        [1, 0, 0, 0]
    """
    place = {subject: index % most for index, subject in enumerate(sorted(set(subjects)))}
    return np.array([place[subject] for subject in subjects], dtype=np.intp)


def group_sizes(subjects: Sequence[str], *, most: int = MOST_GROUPS) -> np.ndarray:
    """Return the number of subjects (not volumes) in each of the groups of ``groups_of``.

    Example:
        >>> group_sizes(["b", "a", "c", "a"], most=2).tolist()
        [2, 1]
    """
    count = len(set(subjects))
    return np.bincount(np.arange(count) % most)


def delete_each_group(
    statistic: Callable[[np.ndarray], float], subjects: Sequence[str], *, most: int = MOST_GROUPS
) -> Replicates:
    """Return the replicates of a statistic that is cheap to compute from the volumes that stay.

    Args:
        statistic: maps a boolean mask over the volumes (True: stays) to a number.
        subjects: the subject of each volume; two subjects or more.
        most: most groups.

    Example:
        >>> values = np.array([1.0, 2.0, 6.0])
        >>> delete_each_group(lambda stay: float(values[stay].mean()), ["a", "b", "c"]).values.tolist()
        [4.0, 3.5, 1.5]
    """
    group = groups_of(subjects, most=most)
    sizes = group_sizes(subjects, most=most)
    return Replicates(np.array([statistic(group != left_out) for left_out in range(len(sizes))]), sizes)


def jackknifed(
    value: float,
    statistic: Callable[[Stay, Stay], float],
    *,
    real: Sequence[str],
    synthetic: Sequence[str],
    non_negative: bool,
    undefined: str = "without one group of subjects the value is no finite number",
) -> Interval:
    """Return the interval of a statistic of two sides that is cheap to compute from what stays of them.

    Args:
        value: the statistic of all subjects.
        statistic: maps what stays of both sides, as indices of the entries of ``real`` and ``synthetic``, to a number.
        real: the subject of each entry of the real side (a volume, or a subject's rows).
        synthetic: likewise on the other side.
        non_negative: the statistic cannot be below 0.
        undefined: why there is no interval, if the statistic is not finite without one of the groups.

    Returns:
        See ``jackknife_interval``; without ends if a side has fewer than four subjects.

    Example:
        >>> x, y = np.arange(6.0), np.arange(9.0)
        >>> found = jackknifed(
        ...     y.mean() - x.mean(),
        ...     lambda r, s: float(y[s].mean() - x[r].mean()),
        ...     real=list("abcdef"),
        ...     synthetic=list("ghijklmno"),
        ...     non_negative=False,
        ... )
        >>> [round(end, 2) for end in found.ends], sorted(found.replicates)
        ([-1.56, 4.56], ['real', 'synthetic'])
    """
    groups = groups_of(real), groups_of(synthetic)

    def of_groups(*stays: Stay) -> float:
        return statistic(*(stay if isinstance(stay, slice) else stay[group] for stay, group in zip(stays, groups)))

    return jackknifed_by_group(
        value, of_groups, real=real, synthetic=synthetic, non_negative=non_negative, undefined=undefined
    )


def jackknifed_by_group(
    value: float,
    statistic: Callable[[Stay, Stay], float],
    *,
    real: Sequence[str],
    synthetic: Sequence[str],
    non_negative: bool,
    undefined: str = "without one group of subjects the value is no finite number",
) -> Interval:
    """Return the interval of a statistic that is computed from the groups of ``groups_of`` that stay.

    Args:
        value: see ``jackknifed``, as all others but one.
        statistic: maps what stays of both sides, as indices of their groups, to a number.

    Example:
        >>> sums = np.arange(6.0), np.arange(9.0)  # of the groups of either side
        >>> found = jackknifed_by_group(
        ...     1.5,
        ...     lambda r, s: float(sums[1][s].mean() - sums[0][r].mean()),
        ...     real=list("abcdef"),
        ...     synthetic=list("ghijklmno"),
        ...     non_negative=False,
        ... )
        >>> [round(end, 2) for end in found.ends]
        [-1.56, 4.56]
    """
    absent = too_few(real, synthetic)
    if absent is not None:
        return absent
    sizes = [group_sizes(subjects) for subjects in (real, synthetic)]
    stays = [~np.eye(len(side), dtype=bool) for side in sizes]
    without_real = Replicates(np.array([statistic(stay, slice(None)) for stay in stays[0]]), sizes[0])
    without_synthetic = Replicates(np.array([statistic(slice(None), stay) for stay in stays[1]]), sizes[1])
    if not np.all(np.isfinite([*without_real.values, *without_synthetic.values])):
        return Interval(None, f"absent: {undefined}")
    return jackknife_interval(value, real=without_real, synthetic=without_synthetic, non_negative=non_negative)


def jackknife_interval(value: float, *, real: Replicates, synthetic: Replicates, non_negative: bool) -> Interval:
    """Return value ± t · SE, the variances of the two sides added.

    The t quantile has as many degrees of freedom as the side with fewer groups allows, which is cautious.

    Args:
        value: the statistic of all subjects.
        real: replicates without one group of real subjects after another.
        synthetic: likewise on the other side.
        non_negative: the statistic cannot be below 0: the lower end then is 0 at least, and the method says so.

    Example:
        >>> side = Replicates(np.array([1.0, 1.2, 0.8, 1.0]), np.ones(4))
        >>> found = jackknife_interval(1.0, real=side, synthetic=side, non_negative=True)
        >>> [round(end, 2) for end in found.ends]
        [0.0, 2.1]
    """
    from scipy.stats import t

    counts = len(real.sizes), len(synthetic.sizes)
    half = t.ppf(0.975, min(counts) - 1) * np.sqrt(real.variance(value) + synthetic.variance(value))
    method = f"delete-a-group jackknife over subjects, {counts[0]} real and {counts[1]} synthetic groups, t quantile"
    low, high = float(value - half), float(value + half)
    replicates = {"real": real, "synthetic": synthetic}
    if non_negative:
        return Interval((max(low, 0.0), high), f"{method}, lower end not below 0", replicates)
    return Interval((low, high), method, replicates)


def mean_interval(values: np.ndarray, subjects: Sequence[str]) -> Interval:
    """Return the t interval of the mean over subjects; volumes of one subject are averaged first.

    Args:
        values: (volumes,) one number a volume.
        subjects: the subject of each volume.

    Example:
        >>> found = mean_interval(np.array([1.0, 3.0, 5.0, 4.0, 6.0]), ["a", "a", "b", "c", "d"])
        >>> [round(end, 2) for end in found.ends]
        [1.53, 6.97]
    """
    means = subject_means(values, subjects)
    absent = too_few(subjects)
    if absent is not None:
        return absent
    from scipy.stats import t

    half = float(t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
    return Interval((float(means.mean()) - half, float(means.mean()) + half), "t interval of the mean over subjects")


def subject_means(values: np.ndarray, subjects: Sequence[str]) -> np.ndarray:
    """Return one mean a subject, in the order of the subjects' names.

    Args:
        values: (volumes,) one number a volume.
        subjects: the subject of each volume.

    Example:
        >>> subject_means(np.array([1.0, 3.0, 5.0]), ["b", "b", "a"]).tolist()
        [5.0, 2.0]
    """
    _, index = np.unique(np.asarray(subjects), return_inverse=True)
    return np.bincount(index, weights=values) / np.bincount(index)
