"""Scores of networks that were trained on different volumes and tested on the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medbench.statistics.means import bounded_mean_interval
from medbench.statistics.resampling import Interval, subject_means

_MOST_VALUES = 1000


@dataclass(frozen=True)
class Difference:
    """A paired difference over subjects.

    Args:
        mean: mean over subjects.
        interval: 95 % interval of the mean, which takes differences from -1 to 1 for possible.
        hodges_lehmann: median of all pairwise means: the shift that Wilcoxon's test speaks of.
        p_value: Wilcoxon's signed-rank test, two-sided; 1 where no subject differs.
    """

    mean: float
    interval: Interval
    hodges_lehmann: float
    p_value: float

    def figures(self) -> dict[str, float]:
        """Return the numbers for a metric's parts."""
        ends = dict(zip(("ci_low", "ci_high"), self.interval.ends or ()))
        return {"mean": self.mean, **ends, "hodges_lehmann": self.hodges_lehmann, "p_value": self.p_value}


def paired_difference(*, synthetic: np.ndarray, real: np.ndarray, subjects: Sequence[str]) -> Difference:
    """Return how much better the synthetic training set served than the real one, on the same cases.

    Args:
        synthetic: (cases,) scores, 0 to 1, after training on synthetic volumes (or on both).
        real: (cases,) likewise after training on real volumes.
        subjects: the subject of each case; its cases are averaged first.

    Source: Hodges, Lehmann 1963, Annals of Mathematical Statistics 34:598; Wilcoxon 1945, Biometrics Bulletin 1:80.
    """
    from scipy.stats import wilcoxon

    differences = subject_means(synthetic - real, subjects)
    p_value = float(wilcoxon(differences).pvalue) if np.any(differences) else 1.0
    interval = bounded_mean_interval(synthetic - real, subjects, low=-1.0, high=1.0)
    return Difference(float(differences.mean()), interval, hodges_lehmann(differences), p_value)


def hodges_lehmann(values: np.ndarray) -> float:
    """Return the median of the means of all pairs, each value paired with itself too.

    Args:
        values: (n,) up to 1000 numbers; of more, an even selection of the sorted ones.
    """
    ordered = np.sort(values)
    if len(ordered) > _MOST_VALUES:
        ordered = ordered[np.linspace(0, len(ordered) - 1, _MOST_VALUES).round().astype(int)]
    first, second = np.triu_indices(len(ordered))
    return float(np.median((ordered[first] + ordered[second]) / 2.0))


def verdict(difference: Difference, *, margin: float) -> str:
    """Say whether synthetic training volumes were worse than real ones by a margin or more.

    Args:
        difference: synthetic less real.
        margin: in DSC, above 0.
    """
    if difference.interval.ends is None:
        return f"no verdict on a margin of {margin:g} DSC: {difference.interval.method}"
    low, high = difference.interval.ends
    found = f"synthetic less real {difference.mean:+.3f} DSC [{low:+.3f}, {high:+.3f}]"
    if low > -margin:
        return f"non-inferior at a margin of {margin:g} DSC: {found}"
    if high < -margin:
        return f"inferior by more than {margin:g} DSC: {found}"
    return f"not shown to be non-inferior at a margin of {margin:g} DSC: {found}"
