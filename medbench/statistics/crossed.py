"""Estimates from readers who saw the same cases: both are samples, and every rating depends on one of each.

An estimate is described by its influence values: what each rating adds to its deviation, so that they sum to zero.
Their sums over cases and over readers give its variance, whatever the estimate is: a mean, a share, an area.

Source: Cameron, Gelbach, Miller 2011, Robust inference with multiway clustering, JBES 29:238; for areas under ROC
curves of several readers, the same decomposition as Obuchowski, Rockette 1995, Communications in Statistics 24:285.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_READERS = 3
"""With fewer, nothing can be said about readers in general: the interval is for these readers alone."""


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate.

    Args:
        variance: of the estimate.
        freedom: degrees of freedom after Satterthwaite.
        method: what varies, in words.
    """

    variance: float
    freedom: float
    method: str

    def interval(self, value: float, *, level: float = 0.95) -> tuple[float, float]:
        """Return value ± t · SE."""
        from scipy.stats import t

        half = float(t.ppf(0.5 + level / 2, self.freedom) * np.sqrt(self.variance))
        return value - half, value + half

    def p_value(self, deviation: float) -> float:
        """Return the two-sided p-value of a deviation from what the hypothesis says; 0 or 1 without any variance."""
        from scipy.stats import t

        if self.variance == 0:
            return float(deviation == 0)
        return float(2 * t.sf(abs(deviation) / np.sqrt(self.variance), self.freedom))

    def equivalence_p(self, deviation: float, *, margin: float) -> float:
        """Return the p-value of two one-sided tests that a deviation lies within ± ``margin``.

        Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657.
        """
        from scipy.stats import t

        inside = margin - abs(deviation)
        if self.variance == 0:
            return float(inside <= 0)
        return float(t.sf(inside / np.sqrt(self.variance), self.freedom))


def crossed_spread(influence: np.ndarray, *, readers: Sequence[str], cases: Sequence[str]) -> Spread:
    """Return the spread of an estimate whose ratings are crossed by reader and case; some may be missing.

    With three readers or more both are random; with fewer, only the cases are.

    Args:
        influence: (n,) of each rating.
        readers: (n,) who gave it.
        cases: (n,) for which case; two different ones or more.

    Example:
        >>> values = np.array([1.0, 2.0, 4.0, 5.0])
        >>> found = crossed_spread((values - values.mean()) / 4, readers=["a"] * 4, cases=list("wxyz"))
        >>> round(found.variance, 6), round(float(values.var(ddof=1)) / 4, 6), found.freedom
        (0.833333, 0.833333, 3.0)
    """
    of_case, of_reader = _sums(influence, cases), _sums(influence, readers)
    by_case, count = _corrected(of_case), len(of_reader)
    if count < FEWEST_READERS:
        whose = "this reader" if count == 1 else "these two readers"
        return Spread(by_case, float(len(of_case) - 1), f"cases vary, {whose} alone")
    by_reader, by_rating = _corrected(of_reader), _corrected(influence)
    # Each of the two contains the spread of single ratings, which is taken off once; neither may be undercut.
    variance = max(by_case + by_reader - by_rating, by_case, by_reader)
    parts = by_case**2 / (len(of_case) - 1) + by_reader**2 / (count - 1)
    freedom = variance**2 / parts if parts else float(count - 1)
    return Spread(variance, freedom, f"cases and {count} readers vary")


def mean_spread(values: np.ndarray, *, readers: Sequence[str], cases: Sequence[str]) -> Spread:
    """Return the spread of the mean of (n,) ratings; see ``crossed_spread``.

    >>> round(mean_spread(np.arange(4.0), readers=["ada"] * 4, cases=["c1", "c2", "c3", "c4"]).variance, 4)
    0.4167
    """
    return crossed_spread((values - values.mean()) / len(values), readers=readers, cases=cases)


def _sums(influence: np.ndarray, names: Sequence[str]) -> np.ndarray:
    _, index = np.unique(np.asarray(names), return_inverse=True)
    return np.bincount(index, weights=influence)


def _corrected(sums: np.ndarray) -> float:
    return float(np.square(sums).sum() * len(sums) / (len(sums) - 1))
