"""Intervals over subjects: slices and volumes of one subject depend on each other and stay together.

A plain bootstrap of a Fréchet distance is biased upwards, since duplicates shrink the covariance; leaving out is not.
Hence a delete-a-group jackknife with both sides resampled, at the sample size that was measured: the interval holds
the sampling noise of the value at these counts; it does not remove the value's bias at small counts, which the floor
shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MOST_GROUPS = 20
FEWEST_SUBJECTS = 4


@dataclass(frozen=True)
class Interval:
    """A 95 % interval.

    Args:
        ends: lower and upper end; None where there is no interval.
        method: how it was made, or why there is none.
    """

    ends: tuple[float, float] | None
    method: str


NOT_ASKED = Interval(None, "absent: only the value was asked for")


@dataclass(frozen=True, eq=False)
class Replicates:
    """What a statistic becomes when one group of subjects after another is left out.

    Args:
        values: (groups,) the statistic without each group.
        sizes: (groups,) subjects in each group.
    """

    values: np.ndarray
    sizes: np.ndarray

    def variance(self, value: float) -> float:
        """Return the jackknife variance of ``value``, the statistic of all subjects.

        With equal groups it is (G - 1) / G · Σ (θ₋g - mean)²; unequal ones are weighted.

        Source: Busing, Meijer, van der Leeden 1999, Delete-m jackknife for unequal m, Statistics and Computing 9:3.
        """
        weights = self.sizes.sum() / self.sizes
        pseudo = weights * value - (weights - 1.0) * self.values
        centre = len(weights) * value - ((1.0 - 1.0 / weights) * self.values).sum()
        return float((np.square(pseudo - centre) / (weights - 1.0)).mean())


def too_few(*sides: Sequence[str]) -> Interval | None:
    """Return the absent interval, with its reason, if a side has too few subjects to be resampled; else None.

    Args:
        sides: the subject of each volume, for each side.
    """
    fewest = min(len(set(subjects)) for subjects in sides)
    if fewest >= FEWEST_SUBJECTS:
        return None
    return Interval(None, f"absent: an interval needs {FEWEST_SUBJECTS} subjects (of each side), there are {fewest}")


def groups_of(subjects: Sequence[str], *, most: int = MOST_GROUPS) -> np.ndarray:
    """Return the group (0 to G - 1) of each volume: whole subjects, as evenly as can be, at most ``most`` groups.

    Subjects are dealt in the order of their names, so that the order of the volumes changes nothing.
    """
    place = {subject: index % most for index, subject in enumerate(sorted(set(subjects)))}
    return np.array([place[subject] for subject in subjects], dtype=np.intp)


def group_sizes(subjects: Sequence[str], *, most: int = MOST_GROUPS) -> np.ndarray:
    """Return the number of subjects (not volumes) in each of the groups of ``groups_of``."""
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
    """
    group = groups_of(subjects, most=most)
    sizes = group_sizes(subjects, most=most)
    return Replicates(np.array([statistic(group != left_out) for left_out in range(len(sizes))]), sizes)


def jackknife_interval(value: float, *, real: Replicates, synthetic: Replicates, non_negative: bool) -> Interval:
    """Return value ± t · SE, the variances of the two sides added.

    The t quantile has as many degrees of freedom as the side with fewer groups allows, which is cautious.

    Args:
        value: the statistic of all subjects.
        real: replicates without one group of real subjects after another.
        synthetic: likewise on the other side.
        non_negative: the statistic cannot be below 0: the lower end then is 0 at least, and the method says so.
    """
    from scipy.stats import t

    counts = len(real.sizes), len(synthetic.sizes)
    half = t.ppf(0.975, min(counts) - 1) * np.sqrt(real.variance(value) + synthetic.variance(value))
    method = f"delete-a-group jackknife over subjects, {counts[0]} real and {counts[1]} synthetic groups, t quantile"
    low, high = float(value - half), float(value + half)
    if non_negative:
        return Interval((max(low, 0.0), high), f"{method}, lower end not below 0")
    return Interval((low, high), method)


def mean_interval(values: np.ndarray, subjects: Sequence[str]) -> Interval:
    """Return the t interval of the mean over subjects; volumes of one subject are averaged first.

    Args:
        values: (volumes,) one number a volume.
        subjects: the subject of each volume.
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
    """
    _, index = np.unique(np.asarray(subjects), return_inverse=True)
    return np.bincount(index, weights=values) / np.bincount(index)
