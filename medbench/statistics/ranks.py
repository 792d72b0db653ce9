"""Ranks with their uncertainty: which of many values are told apart, and between which places each may stand.

All pairs are tested by the delete-a-group jackknife of ``medbench.statistics.significance``, at once: a variance of a
difference is a quadratic form of the replicates, so that all pairs are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medbench.statistics.resampling import Replicates
from medbench.statistics.significance import Estimate

LEVEL = 0.05
LEAST_T = 1.9599
"""Below it no t distribution has a two-sided p-value under 5 %, whatever its degrees of freedom."""

_ROUNDING = 1e-12
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
    """Compare every value with every other, as ``jackknife_test`` does for two.

    The freedom is rounded down, and what that test takes off near the floor is left on: ranks are the more cautious.

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
    first, second = np.triu_indices(len(estimates), 1)
    values = np.array([one.value for one in estimates], dtype=np.float64)
    own, own_freedom = _own_variances(estimates)
    shared, shared_freedom = _shared_variances(estimates)
    variance = own[first] + own[second] + shared[first, second]
    gap = values[first] - values[second]
    size = np.abs(values)
    tested = variance > _ROUNDING * np.square(np.maximum(size[first], size[second]))  # not where it is NaN
    kept = np.flatnonzero(tested & (np.square(gap) >= LEAST_T**2 * variance))
    first, second, variance, gap = first[kept], second[kept], variance[kept], gap[kept]
    parts = np.square(own) / own_freedom
    below = parts[first] + parts[second] + np.square(shared[first, second]) / shared_freedom[first, second]
    freedom = np.maximum(np.square(variance) / below + _ROUNDING_OF_FREEDOM, 1).astype(np.int32)
    ahead = gap < 0 if better == "lower" else gap > 0
    return Pairs(
        count=len(estimates),
        tests=int(tested.sum()),
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
    rejected, least = -1, _least_t(families, LEVEL / tests)
    while (count := sum(int((pairs.t >= least[pairs.freedom]).sum()) for pairs in families)) > rejected:
        rejected = count
        least = _least_t(families, LEVEL / max(tests - rejected, 1))
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


def _own_variances(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n,) variance of each synthetic side and its degrees of freedom.

    They are 0, of freedom 1, where only the real side varies the value; NaN where nothing does.
    """
    variances, freedoms = np.full(len(estimates), np.nan), np.ones(len(estimates))
    variances[[one.real is not None for one in estimates]] = 0.0
    for places, deviations in _deviations([(one.value, one.synthetic) for one in estimates]):
        variances[places] = np.square(deviations).sum(axis=1)
        freedoms[places] = deviations.shape[1] - 1
    return variances, freedoms


def _shared_variances(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n, n) variances of the differences over the real groups that two values share, and their freedom.

    They are 0, of freedom 1, where neither value has real groups; NaN where only one has, or the groups differ.
    """
    count = len(estimates)
    variance, freedom = np.full((count, count), np.nan), np.ones((count, count))
    bare = [place for place, one in enumerate(estimates) if one.real is None]
    variance[np.ix_(bare, bare)] = 0.0
    for places, deviations in _deviations([(one.value, one.real) for one in estimates]):
        products = deviations @ deviations.T
        squares = products.diagonal()
        block = np.ix_(places, places)
        variance[block] = np.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0)
        freedom[block] = deviations.shape[1] - 1
    return variance, freedom


def _deviations(sides: Sequence[tuple[float, Replicates | None]]) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield places of sides with equal groups, and (places, groups) numbers whose squares add up to their variances.

    The numbers are linear in values and replicates, so that those of a difference are the differences of two rows: see
    ``Replicates.variance``.
    """
    grouped: dict[bytes, list[int]] = {}
    for place, (_, side) in enumerate(sides):
        if side is not None:
            grouped.setdefault(side.sizes.astype(np.float64).tobytes(), []).append(place)
    for key, places in grouped.items():
        sizes = np.frombuffer(key)
        weights = sizes.sum() / sizes
        values = np.array([sides[place][0] for place in places])[:, None]
        without = np.array([side.values for place in places if (side := sides[place][1]) is not None])
        pseudo = weights * values - (weights - 1.0) * without
        centre = len(weights) * values - ((1.0 - 1.0 / weights) * without).sum(axis=1, keepdims=True)
        yield places, (pseudo - centre) / np.sqrt((weights - 1.0) * len(weights))
