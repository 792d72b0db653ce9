"""Ranks with their uncertainty: which of many values are told apart, and between which places each may stand.

All pairs are tested by the delete-a-group jackknife of ``medbench.statistics.significance``, at once: a variance of a
difference is a quadratic form of the replicates, so that all pairs are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medbench.statistics.resampling import Replicates
from medbench.statistics.significance import ROUNDING, Estimate, shared_groups, variance_of_pairs

LEVEL = 0.05
LEAST_T = 1.9599
"""Below it no t distribution has a two-sided p-value under 5 %, whatever its degrees of freedom."""

_ROUNDING_OF_FREEDOM = 1e-6


@dataclass(frozen=True, eq=False)
class Pairs:
    """The tests of all pairs of n values of one metric; only those that may be significant at 5 % are kept.

    Args:
        count: n.
        tests: how many pairs have a test.
        better: (kept,) place of the better value of each pair.
        worse: (kept,) place of the other one.
        t: (kept,) difference over its standard error, at least ``LEAST_T``.
        freedom: (kept,) degrees of freedom (Welch, Satterthwaite), rounded down as for a printed table.
    """

    count: int
    tests: int
    better: np.ndarray
    worse: np.ndarray
    t: np.ndarray
    freedom: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranks:
    """Places of n values; 1 is the best.

    Args:
        low: (n,) 1 and how many are better beyond chance: the rank, which values that are not told apart can share.
        high: (n,) n less how many are worse beyond chance.
    """

    low: np.ndarray
    high: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """(n,) the mean of both ends: tied values share the mean of their places."""
        middle: np.ndarray = (self.low + self.high) / 2
        return middle


def compare_all(estimates: Sequence[Estimate], *, better: Literal["lower", "higher"]) -> Pairs:
    """Compare every value with every other, as ``jackknife_test`` does for two; the freedom is rounded down.

    Args:
        estimates: values with their replicates; one without any, or with other real groups, is tested with nobody.
            One that has the real side alone is of cases that all share: the test is that of paired differences.
        better: which way is better.

    Example:
        >>> def run(value: float) -> Estimate:
        ...     side = Replicates(value + np.array([0.5, -0.5, 0.25, -0.25]), np.ones(4))
        ...     return Estimate(value, real=side, synthetic=side)
        ...
        >>> pairs = compare_all([run(3.0), run(1.0)], better="lower")
        >>> pairs.better.tolist(), pairs.worse.tolist(), round(float(pairs.t[0]), 2), int(pairs.freedom[0])
        ([1], [0], 2.07, 6)
    """
    values = np.array([one.value for one in estimates], dtype=np.float64)
    least = ROUNDING * np.square(values)
    variance, doubt = _variances(estimates)
    gap = values[:, None] - values[None, :]
    tested = (variance > least[:, None]) & (variance > least[None, :])  # not where it is NaN
    tested &= ~np.tri(len(values), dtype=bool)
    kept = tested & (np.abs(gap) >= LEAST_T * np.sqrt(variance))
    first, second = np.nonzero(kept)
    gap, variance = gap[kept], variance[kept]
    freedom = np.maximum(np.square(variance) / doubt[kept] + _ROUNDING_OF_FREEDOM, 1).astype(np.int32)
    ahead = gap < 0 if better == "lower" else gap > 0
    return Pairs(
        count=len(estimates),
        tests=int(np.count_nonzero(tested)),
        better=np.where(ahead, first, second),
        worse=np.where(ahead, second, first),
        t=np.abs(gap) / np.sqrt(variance),
        freedom=freedom,
    )


def told_apart(families: Sequence[Pairs]) -> list[np.ndarray]:
    """Return which values are better than which others beyond chance, by Holm's method over all pairs of all families.

    Args:
        families: metrics whose pairs count as one table of tests: the chance of even one false difference is 5 %.

    Returns:
        For each family (n, n): True where the row is better than the column.

    Example:
        >>> side = Replicates(np.array([0.1, -0.1, 0.1, -0.1]), np.ones(4))
        >>> def run(value: float) -> Estimate:
        ...     return Estimate(value, real=None, synthetic=Replicates(value + side.values, side.sizes))
        ...
        >>> pairs = compare_all([run(3.0), run(1.0), run(1.1)], better="lower")
        >>> told_apart([pairs])[0].tolist()
        [[False, False, False], [True, False, False], [True, False, False]]

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65. Its count of rejections is the least fixed point of
    R = #{p <= 5 % / (tests - R)}, which needs no sorting.
    """
    tests = sum(pairs.tests for pairs in families)
    if tests == 0:
        return [np.zeros((pairs.count, pairs.count), dtype=bool) for pairs in families]
    surely = _least_t(families, LEVEL / tests)
    sure = [pairs.t >= surely[pairs.freedom] for pairs in families]
    # Few are left open: only they are looked at again while the bound falls.
    t = np.concatenate([pairs.t[~own] for pairs, own in zip(families, sure)])
    freedom = np.concatenate([pairs.freedom[~own] for pairs, own in zip(families, sure)])
    settled = sum(int(own.sum()) for own in sure)
    rejected, count, least = -1, settled, surely
    while count > rejected:
        rejected = count
        least = _least_t(families, LEVEL / max(tests - rejected, 1))
        count = settled + int((t >= least[freedom]).sum())
    return [_matrix(pairs, pairs.t >= least[pairs.freedom]) for pairs in families]


def _least_t(families: Sequence[Pairs], p_value: float) -> np.ndarray:
    """Return, for each degree of freedom, the t whose two-sided p-value is the one given."""
    from scipy.special import stdtrit

    most = max(int(pairs.freedom.max(initial=1)) for pairs in families)
    found: np.ndarray = -stdtrit(np.arange(most + 1, dtype=np.float64).clip(1), p_value / 2.0)
    return found


def _matrix(pairs: Pairs, apart: np.ndarray) -> np.ndarray:
    found = np.zeros((pairs.count, pairs.count), dtype=bool)
    found[pairs.better[apart], pairs.worse[apart]] = True
    return found


def ranks_of(better: np.ndarray) -> Ranks:
    """Return ranks and their intervals from which values are better than which others beyond chance.

    Where the chance of even one false difference is 5 %, all intervals hold the true ranks at once with 95 %.

    Args:
        better: (n, n) True where the row is better than the column.

    Example:
        >>> ranks = ranks_of(np.array([[False, False, True], [False, False, False], [False, False, False]]))
        >>> ranks.low.tolist(), ranks.high.tolist(), ranks.middle.tolist()
        ([1, 1, 2], [2, 3, 3], [1.5, 2.0, 2.5])

    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, Inference for Ranks, Review of Economic Studies 91:476.
    """
    return Ranks(1 + better.sum(axis=0), len(better) - better.sum(axis=1))


def _variances(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n, n) variances of the differences, and their squares over their degrees of freedom.

    They are NaN where there is no test.
    """
    variance, doubt = _apart(estimates)
    twice = np.array([variance_of_pairs(one) for one in estimates])
    splits = np.array([len(one.floor) if found > 0 else np.inf for one, found in zip(estimates, twice)])
    counted_twice = twice[:, None] + twice[None, :]
    for places, deviations in _deviations(estimates, "synthetic", by=shared_groups):
        block = np.ix_(places, places)
        variance[block], doubt[block] = _of_differences(deviations)
        counted_twice[block] = 0.0
    shared, shared_doubt = _shared(estimates)
    variance += shared
    doubt += shared_doubt
    if twice.any():
        np.minimum(counted_twice, variance / 2.0, out=counted_twice)
        variance -= counted_twice
        doubt += np.square(counted_twice) / (np.minimum(splits[:, None], splits[None, :]) - 1.0)
    return variance, doubt


def _apart(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return what the synthetic sides add to the differences where they are independent; NaN where nothing varies."""
    variances, doubts = np.full(len(estimates), np.nan), np.zeros(len(estimates))
    variances[[one.real is not None for one in estimates]] = 0.0
    for places, deviations in _deviations(estimates, "synthetic", by=_sizes):
        variances[places] = np.square(deviations).sum(axis=1)
        doubts[places] = np.square(variances[places]) / (deviations.shape[1] - 1)
    return variances[:, None] + variances[None, :], doubts[:, None] + doubts[None, :]


def _shared(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return what the real sides add, which two values share.

    It is 0 where neither value has real groups; NaN where only one has, or the groups differ.
    """
    count = len(estimates)
    variance, doubt = np.full((count, count), np.nan), np.zeros((count, count))
    bare = [place for place, one in enumerate(estimates) if one.real is None]
    variance[np.ix_(bare, bare)] = 0.0
    for places, deviations in _deviations(estimates, "real", by=_sizes):
        found = _of_differences(deviations)
        if len(places) == count:
            return found
        block = np.ix_(places, places)
        variance[block], doubt[block] = found
    return variance, doubt


def _of_differences(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances of differences over shared groups, and their squares over their degrees of freedom."""
    products = deviations @ deviations.T
    squares = products.diagonal().copy()
    products *= -2.0  # in place throughout: making a matrix anew takes longer than filling it
    products += squares[:, None]
    products += squares[None, :]
    variance = np.maximum(products, 0.0, out=products)
    doubt = np.square(variance)
    doubt /= deviations.shape[1] - 1
    return variance, doubt


def _sizes(side: Replicates) -> bytes:
    return side.sizes.astype(np.float64).tobytes()


def _deviations(
    estimates: Sequence[Estimate], name: Literal["real", "synthetic"], *, by: Callable[[Replicates], Hashable]
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield places of sides with equal groups, and (places, groups) numbers whose squares add up to their variances.

    The numbers are linear in values and replicates, so that those of a difference are the differences of two rows: see
    ``Replicates.variance``.

    Args:
        estimates: their sides may be absent.
        name: of the side.
        by: what sides have in common whose groups are equal; None: it has no such groups.
    """
    grouped: dict[Hashable, list[tuple[int, float, Replicates]]] = {}
    for place, one in enumerate(estimates):
        side: Replicates | None = getattr(one, name)
        if side is not None and (key := by(side)) is not None:
            grouped.setdefault(key, []).append((place, one.value, side))
    for members in grouped.values():
        places, found, sides = zip(*members)
        sizes = sides[0].sizes
        weights = sizes.sum() / sizes
        values = np.array(found)[:, None]
        without = np.array([side.values for side in sides])
        pseudo = weights * values - (weights - 1.0) * without
        centre = len(weights) * values - ((1.0 - 1.0 / weights) * without).sum(axis=1, keepdims=True)
        yield list(places), (pseudo - centre) / np.sqrt((weights - 1.0) * len(weights))
