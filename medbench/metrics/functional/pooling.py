"""Statistics of many overlapping sets of volumes, from one pass over their features.

The scatter of a set is the sum of its volumes' own scatters plus that of their means. The first are sums of d x d
matrices, or of rows where a set has fewer rows than dimensions; a set of more than half of the volumes is had as all
of them less the others, by which at most one bit is lost. The second needs only the means.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from medbench.metrics.functional.frechet import FeatureStatistics

_KEPT = 4


@dataclass(eq=False)
class _Within:
    """The sum of the scatters of some volumes: their centred rows while these are fewer than dimensions, else d x d."""

    rows: dict[int, np.ndarray] = field(default_factory=dict)
    scatter: np.ndarray | None = None

    def add(self, volume: int, own: FeatureStatistics, scatter: np.ndarray | None) -> None:
        """Add a volume; ``scatter`` is given where it has to be a matrix (see ``takes_rows``)."""
        if scatter is None:
            self.rows[volume] = own.spread
            return
        if self.scatter is None:
            self.scatter = _gram(list(self.rows.values()), len(own.mean))
            self.rows.clear()
        self.scatter += scatter

    def takes_rows(self, own: FeatureStatistics) -> bool:
        """Say whether a volume can be added as rows."""
        height = sum(len(rows) for rows in self.rows.values()) + len(own.spread)
        return self.scatter is None and height < len(own.mean)


@dataclass(eq=False)
class SetStatistics:
    """Statistics of sets of volumes; see ``set_statistics``.

    Args:
        members: (sets, volumes) which volumes each set has.
        counts: (volumes,) rows of each volume.
        means: (volumes, d) their means.
    """

    members: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    _within: dict[bytes, _Within]
    _parts: Sequence[tuple[bytes, bytes | None]]

    def __post_init__(self) -> None:
        """Keep the last few that were asked for, with their factors: some are compared with many."""
        self.of = functools.lru_cache(maxsize=_KEPT)(self._of)

    def _of(self, index: int) -> FeatureStatistics:
        stays = self.members[index]
        counts, means = self.counts[stays], self.means[stays]
        mean = counts @ means / counts.sum()
        between = np.sqrt(counts)[:, None] * (means - mean)
        rows, scatter = self._spread(index)
        if scatter is None and sum(map(len, rows)) + len(between) < len(mean):
            return FeatureStatistics(int(counts.sum()), mean, np.vstack([*rows, between]))
        whole = _gram([*rows, between], len(mean))
        if scatter is not None:
            whole += scatter
        return FeatureStatistics(int(counts.sum()), mean, whole)

    def _spread(self, index: int) -> tuple[list[np.ndarray], np.ndarray | None]:
        kept, less = self._parts[index]
        whole = self._within[kept]
        if less is None or whole.scatter is None:
            stays = self.members[index]
            return [rows for volume, rows in whole.rows.items() if stays[volume]], whole.scatter
        others = self._within[less]
        if others.scatter is None:
            return [], whole.scatter - _gram(list(others.rows.values()), self.means.shape[1])
        return [], whole.scatter - others.scatter


def set_statistics(volumes: Iterable[np.ndarray], members: np.ndarray, sides: np.ndarray) -> SetStatistics:
    """Return the statistics of sets of volumes, from one pass.

    Memory: d x d numbers a set, or fewer; d numbers a volume.

    Args:
        volumes: features (rows, d) of each volume.
        members: (sets, volumes) which volumes each set has: one or more, all of one side.
        sides: (volumes,) where each volume comes from: what is not of one scale is never subtracted.

    Example:
        >>> volumes = [np.array([[0.0], [2.0]]), np.array([[4.0]]), np.array([[6.0], [6.0]])]
        >>> sets = set_statistics(volumes, np.array([[True, True, False], [False, True, True]]), np.zeros(3))
        >>> [(sets.of(index).count, float(sets.of(index).mean[0])) for index in (0, 1)]
        [(3, 2.0), (3, 5.333333333333333)]
    """
    parts, wanted = [], dict[bytes, np.ndarray]()
    for stays in members:
        side = sides == sides[stays.argmax()]
        less = side & ~stays if 2 * stays.sum() > side.sum() > stays.sum() else None
        kept = stays if less is None else side
        parts.append((kept.tobytes(), None if less is None else less.tobytes()))
        wanted |= {one.tobytes(): one for one in (kept, less) if one is not None}
    within = {name: _Within() for name in wanted}
    statistics = []
    for volume, features in enumerate(volumes):
        own = FeatureStatistics.of(features)
        sums = [within[name] for name, stays in wanted.items() if stays[volume]]
        as_rows = [one for one in sums if one.takes_rows(own)]
        scatter = own.scatter if len(as_rows) < len(sums) else None
        for one in sums:
            one.add(volume, own, None if one in as_rows else scatter)
        statistics.append((own.count, own.mean))
    counts, means = zip(*statistics)
    return SetStatistics(members, np.array(counts), np.array(means), within, parts)


def _gram(rows: Sequence[np.ndarray], dimension: int) -> np.ndarray:
    if not rows:
        return np.zeros((dimension, dimension))
    stacked = np.vstack(rows)
    gram: np.ndarray = stacked.T @ stacked
    return gram
