"""How often a value of one group exceeds one of another: the area under a VGC or ROC curve, for several readers.

Ratings are ordinal: only their order counts, and ties count half. 0.5 says that the groups are rated alike.

Source: Båth, Månsson 2007, British Journal of Radiology 80:169 (VGC); DeLong et al. 1988, Biometrics 44:837 (the
placements that give the variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medbench.statistics.crossed import FEWEST_READERS, Spread, crossed_spread


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of one group of cases.

    Args:
        values: (n,) ordinal.
        readers: (n,) who gave them.
        cases: (n,) for which case.
    """

    values: np.ndarray
    readers: Sequence[str]
    cases: Sequence[str]

    def of(self, reader: str) -> np.ndarray:
        """Return which ratings are one reader's, as a mask."""
        mine: np.ndarray = np.asarray(self.readers) == reader
        return mine

    def case_means(self) -> np.ndarray:
        """Return the mean over the readers of each case."""
        _, index = np.unique(np.asarray(self.cases), return_inverse=True)
        means: np.ndarray = np.bincount(index, weights=self.values) / np.bincount(index)
        return means


@dataclass(frozen=True)
class Area:
    """An area with its spread.

    Args:
        value: 0 to 1; above 0.5 where the first group is rated higher.
        spread: over cases and readers.
        p_value: two-sided, of the hypothesis that it is 0.5.
        test: in words.
    """

    value: float
    spread: Spread
    p_value: float
    test: str

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95 % interval, kept within 0 and 1."""
        low, high = self.spread.interval(self.value)
        return max(0.0, low), min(1.0, high)

    def equivalence_p(self, *, margin: float) -> float:
        """Return the p-value of two one-sided tests that the area lies within 0.5 ± ``margin``."""
        return self.spread.equivalence_p(self.value - 0.5, margin=margin)


def placements(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return for each of (n,) values the share of (m,) others that it exceeds, ties half.

    Example:
        >>> placements(np.array([1.0, 2.0]), np.array([0.0, 2.0])).tolist()
        [0.5, 0.75]
    """
    ordered = np.sort(b)
    below, up_to = np.searchsorted(ordered, a, "left"), np.searchsorted(ordered, a, "right")
    return (below + up_to) / (2 * len(b))


def area(a: Ratings, b: Ratings) -> Area:
    """Return the mean over the readers of the area of group ``a`` over group ``b``, and its test.

    One reader: Mann and Whitney's rank test (Fisher's exact one where there are two answers). Two: that of the cases'
    means. More: besides it the t test with readers and cases as random samples; the larger p-value counts, so that
    neither chance is left out.

    Args:
        a: ratings of cases, each reader's of two or more.
        b: ratings of other cases by the same readers; who rated only one of the groups is left out.

    Raises:
        ValueError: no reader rated both groups.

    >>> real = Ratings(np.array([4, 5, 5]), ["ada"] * 3, ["c1", "c2", "c3"])
    >>> made = Ratings(np.array([2, 3, 4]), ["ada"] * 3, ["c4", "c5", "c6"])
    >>> round(area(real, made).value, 3)
    0.944
    """
    both = [reader for reader in dict.fromkeys(a.readers) if a.of(reader).any() and b.of(reader).any()]
    if not both:
        raise ValueError("no reader rated both groups")
    value, influence, readers, cases = _influence(a, b, both)
    spread = crossed_spread(influence, readers=readers, cases=cases)
    p_value, test = _rank_p(a, b), "Mann-Whitney"
    if len(both) > 1:
        test = f"Mann-Whitney of the means over {len(both)} readers"
    if len(both) >= FEWEST_READERS:
        p_value = max(p_value, spread.p_value(value - 0.5))
        test = f"rank test of {len(both)} readers, readers and cases random"
    return Area(value, spread, p_value, test)


def _influence(a: Ratings, b: Ratings, readers: Sequence[str]) -> tuple[float, np.ndarray, list[str], list[str]]:
    areas, parts, whose, cases = [], [], [], []
    for reader in readers:
        mine, other = a.of(reader), b.of(reader)
        own, against = placements(a.values[mine], b.values[other]), 1 - placements(b.values[other], a.values[mine])
        areas.append(own.mean())
        parts.append(np.concatenate([(own - own.mean()) / len(own), (against - own.mean()) / len(against)]))
        whose += [reader] * len(parts[-1])
        cases += [*np.asarray(a.cases)[mine].tolist(), *np.asarray(b.cases)[other].tolist()]
    value = float(np.mean(areas))
    # A reader's own deviation lies on all of his ratings alike, so that his sum carries it.
    shifted = [part + (own - value) / len(part) for part, own in zip(parts, areas)]
    return value, np.concatenate(shifted) / len(readers), whose, cases


def _rank_p(a: Ratings, b: Ratings) -> float:
    from scipy.stats import fisher_exact, mannwhitneyu

    one, other = a.case_means(), b.case_means()
    seen = np.unique(np.concatenate([one, other]))
    if len(seen) == 1:
        return 1.0
    if len(seen) == 2:
        return float(fisher_exact([[np.sum(group == value) for value in seen] for group in (one, other)]).pvalue)
    return float(mannwhitneyu(one, other).pvalue)
