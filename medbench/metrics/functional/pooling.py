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

from medbench.metrics.functional.frechet import FeatureStatistics, gram

_KEPT = 4


@dataclass(eq=False)
class _Within:
    """The sum of the scatters of some volumes: their centred rows while these are fewer than dimensions, else d x d.

    Then rows wait until they are a quarter of the dimensions: a Gram matrix of many rows costs less than many of few.
    """

    rows: dict[int, np.ndarray] = field(default_factory=dict)
    scatter: np.ndarray | None = None

    def add(self, volume: int, own: FeatureStatistics) -> None:
        """Add the scatter of a volume."""
        dimension = len(own.mean)
        if len(own.spread) == dimension:
            self._sum_up(own.spread)
            return
        self.rows[volume] = own.spread
        if sum(map(len, self.rows.values())) >= (dimension if self.scatter is None else dimension / 4):
            self._sum_up()

    def close(self) -> None:
        """Leave either rows or a matrix: all volumes were added."""
        if self.scatter is not None and self.rows:
            self._sum_up()

    def _sum_up(self, scatter: np.ndarray | None = None) -> None:
        if scatter is not None:
            self.scatter = (
                scatter.copy("F") if self.scatter is None else np.add(self.scatter, scatter, out=self.scatter)
            )
        if self.rows:
            self.scatter = gram(np.vstack(list(self.rows.values())), self.scatter)
            self.rows.clear()

    @classmethod
    def of(cls, parts: Sequence[_Within], dimension: int) -> _Within:
        """Return the sum over disjoint parts."""
        found = cls({volume: rows for part in parts for volume, rows in part.rows.items()})
        scatters = [part.scatter for part in parts if part.scatter is not None]
        if scatters or sum(map(len, found.rows.values())) >= dimension:
            found.scatter = functools.reduce(np.add, scatters, np.zeros((dimension, dimension), order="F"))
            found.close()
        return found


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
        together = np.vstack([*rows, between])
        if scatter is None and len(together) < len(mean):
            return FeatureStatistics(int(counts.sum()), mean, together)
        return FeatureStatistics(
            int(counts.sum()), mean, gram(together, None if scatter is None else scatter.copy("F"))
        )

    def _spread(self, index: int) -> tuple[list[np.ndarray], np.ndarray | None]:
        kept, less = self._parts[index]
        whole = self._within[kept]
        if less is None or whole.scatter is None:
            stays = self.members[index]
            return [rows for volume, rows in whole.rows.items() if stays[volume]], whole.scatter
        others = self._within[less]
        if others.scatter is None:
            return [], whole.scatter - gram(np.vstack(list(others.rows.values())))
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
    parts, wanted, wholes = [], dict[bytes, np.ndarray](), dict[bytes, np.ndarray]()
    for stays in members:
        side = sides == sides[stays.argmax()]
        is_whole = stays.sum() == side.sum()
        less = side & ~stays if 2 * stays.sum() > side.sum() and not is_whole else None
        kept = stays if less is None else side
        parts.append((kept.tobytes(), None if less is None else less.tobytes()))
        own = stays if less is None else less
        (wholes if is_whole else wanted)[own.tobytes()] = own
        if less is not None:
            wholes[side.tobytes()] = side
    covers = {name: _cover(whole, list(wanted.values())) for name, whole in wholes.items()}
    wanted |= {one.tobytes(): one for cover in covers.values() for one in cover}
    within = {name: _Within() for name in wanted}
    statistics = []
    for volume, features in enumerate(volumes):
        own = FeatureStatistics.of(features)
        for name, stays in wanted.items():
            if stays[volume]:
                within[name].add(volume, own)
        statistics.append((own.count, own.mean))
    for one in within.values():
        one.close()
    counts, means = zip(*statistics)
    dimension = len(means[0])
    within |= {name: _Within.of([within[one.tobytes()] for one in cover], dimension) for name, cover in covers.items()}
    return SetStatistics(members, np.array(counts), np.array(means), within, parts)


def _cover(whole: np.ndarray, sets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return disjoint sets of volumes that make up a whole: some of those that are there, and what they leave."""
    found, left = [], whole.copy()
    for one in sets:
        if not np.any(one & ~left):
            found.append(one)
            left &= ~one
    return [*found, left] if left.any() else found
