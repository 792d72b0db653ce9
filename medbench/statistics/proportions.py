"""Shares: exact intervals and tests, also where trials depend on each other; equal is tested, not assumed.

Dependent trials count as fewer: as many as independent ones that would give the share its variance. The binomial
distribution's tails are those of the beta distribution, which is defined for such a fraction of a trial, too.

Source: Clopper, Pearson 1934, Biometrika 26:404; Korn, Graubard 1998, Survey Methodology 24:193 (effective trials).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medbench.statistics.crossed import Spread


@dataclass(frozen=True)
class Share:
    """A share and the independent trials that it is worth.

    Args:
        value: 0 to 1.
        trials: above 0, not necessarily whole.
    """

    value: float
    trials: float

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """Return the exact interval.

        Example:
            >>> [round(end, 3) for end in Share(0.8, 10).interval()]
            [0.444, 0.975]
        """
        from scipy.stats import beta

        tail, yes, no = (1 - level) / 2, self.value * self.trials, (1 - self.value) * self.trials
        low = 0.0 if yes == 0 else float(beta.ppf(tail, yes, no + 1))
        high = 1.0 if no == 0 else float(beta.ppf(1 - tail, yes + 1, no))
        return low, high

    def at_least(self, share: float) -> float:
        """Return how probable a share this high or higher is where the true one is ``share``.

        Example:
            >>> round(Share(0.8, 10).at_least(0.5), 4)  # 56 of 1024
            0.0547
        """
        from scipy.stats import beta

        yes, no = self.value * self.trials, (1 - self.value) * self.trials
        return 1.0 if yes == 0 else float(beta.cdf(share, yes, no + 1))

    def at_most(self, share: float) -> float:
        """Return how probable a share this low or lower is where the true one is ``share``."""
        return Share(1 - self.value, self.trials).at_least(1 - share)

    def p_value(self, share: float) -> float:
        """Return the two-sided p-value of the hypothesis that the true share is ``share``: twice the smaller tail."""
        return min(1.0, 2 * min(self.at_least(share), self.at_most(share)))

    def equivalence_p(self, share: float, *, margin: float) -> float:
        """Return the p-value of two one-sided tests that the true share lies within ``share`` ± ``margin``.

        Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657.
        """
        return max(self.at_least(share - margin), self.at_most(share + margin))


def rate_figures(rates: np.ndarray, name: str) -> dict[str, float]:
    """Return a rate of failures over subjects with both ends of its exact interval, a subject counted as one trial.

    Args:
        rates: (subjects,) 0 to 1: the share of a subject's volumes, or regions, that failed.
        name: of the figure, before ``_rate``, ``_low`` and ``_high``.

    Example:
        >>> figures = rate_figures(np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]), "missing")
        >>> {name: round(figure, 3) for name, figure in figures.items()}
        {'missing_rate': 0.125, 'missing_low': 0.003, 'missing_high': 0.527}
    """
    share = Share(float(rates.mean()), float(len(rates)))
    return dict(zip((f"{name}_rate", f"{name}_low", f"{name}_high"), (share.value, *share.interval())))


def share_of(value: float, ratings: int, spread: Spread, *, cases: int) -> Share:
    """Return a share with the trials that it is worth.

    Args:
        value: the share.
        ratings: how many there are: it is worth no more.
        spread: of the share, over cases and readers.
        cases: how many different ones there are: without any variance, at 0 or 1, it is worth no more than these.

    Example:
        >>> share_of(0.5, 41, Spread(2 * 0.25 / 40, 40, ""), cases=20).trials  # of twice the variance
        20.5
    """
    from scipy.stats import t

    if spread.variance == 0 or value in (0.0, 1.0):
        return Share(value, float(cases))
    # The t quantiles make up for a variance that few readers or cases could only estimate.
    doubt = (t.ppf(0.975, max(ratings - 1, 1)) / t.ppf(0.975, spread.freedom)) ** 2
    independent = value * (1 - value) / (ratings - 1)
    return Share(value, float(min(ratings, ratings * independent / spread.variance * doubt)))
