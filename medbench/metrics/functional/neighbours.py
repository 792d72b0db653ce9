"""Distances between the slices of many volumes, block by block, and the nearest subjects as running minima."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.metrics.functional.blocks import Block, blocks_of, by_volume

KEPT_BYTES = 2**31
"""Distances and minima that are kept for the next pass; others are computed again."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distances from the slices of one block to those of another.

    Args:
        near: the first block.
        far: the second.
        distances: (slices, slices).
        minima: (slices, volumes) to the nearest slice of each volume, infinite where it is of the same subject.
    """

    near: Block
    far: Block
    distances: np.ndarray
    minima: np.ndarray

    def between(self, here: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Return the distances from some slices of the first block to some of the second, by their places in them."""
        if self.distances.flags.c_contiguous:
            return self.distances.take(there, axis=1).take(here, axis=0)
        return self.distances.T.take(there, axis=0).take(here, axis=1).T  # or numpy would copy all of it first


class Rows:
    """All slices, those of a subject beside each other, and the distances between them.

    Args:
        volumes: slices (slices, d) of each volume.
        owners: (volumes,) the subject of each, ascending.
    """

    def __init__(self, volumes: Sequence[np.ndarray], owners: np.ndarray) -> None:
        counts = [len(part) for part in volumes]
        self.volume_owners = owners
        self.owners = np.repeat(owners, counts)
        self.of_volumes = np.repeat(np.arange(len(volumes)), counts)
        self.blocks = blocks_of(volumes, owners)
        self.nearest: dict[tuple[bytes, bytes, int], Nearest] = {}
        self._kept: dict[tuple[int, int], Sequence[Pairs]] = {}
        self._left = KEPT_BYTES

    def pairs(self) -> Iterator[Pairs]:
        """Yield the distances of all ordered pairs of blocks; those of a pair of slices are computed once."""
        for near, far in itertools.combinations_with_replacement(range(len(self.blocks)), 2):
            yield from self._kept.get((near, far)) or self._both_ways(near, far)

    def _both_ways(self, near: int, far: int) -> Sequence[Pairs]:
        one, other = self.blocks[near], self.blocks[far]
        distances = _distances(one.points(), other.points())
        found = [self._pairs(one, other, distances, np.minimum.reduceat(distances, other.starts, axis=1))]
        if near != far:
            found.append(self._pairs(other, one, distances.T, by_volume(np.minimum, distances, one.starts).T.copy()))
        size = distances.nbytes + sum(one.minima.nbytes for one in found)
        if size <= self._left:
            self._left -= size
            self._kept[near, far] = found
        return found

    def _pairs(self, near: Block, far: Block, distances: np.ndarray, minima: np.ndarray) -> Pairs:
        minima[self.owners[near.rows, None] == self.volume_owners[far.volumes]] = np.inf
        return Pairs(near, far, distances, minima)

    def nearest_of(self, of: np.ndarray, to: np.ndarray, k: int) -> Nearest:
        """Return what keeps the k smallest distances from the slices of some volumes to the subjects of a set.

        Args:
            of: (volumes,) whose slices.
            to: (volumes,) the set.
            k: how many.
        """
        key = of.tobytes(), to.tobytes(), k
        if key not in self.nearest:
            self.nearest[key] = Nearest(self, of, to, k)
        return self.nearest[key]

    def find_nearest(self) -> None:
        """Fill all that ``nearest_of`` returned: one pass."""
        for pairs in self.pairs():
            for one in self.nearest.values():
                one.see(pairs)

    def to_subjects(self, pairs: Pairs, here: np.ndarray, to: np.ndarray) -> np.ndarray:
        """Return distances from some slices of a block to the subjects of a set, infinite to a slice's own.

        Args:
            pairs: the blocks.
            here: (slices,) places in the first block.
            to: (volumes,) the set.

        Returns:
            (slices, subjects of the set in the second block).
        """
        there = np.flatnonzero(to[pairs.far.volumes])
        found = pairs.minima.take(there, axis=1).take(here, axis=0)
        starts = np.flatnonzero(np.diff(self.volume_owners[pairs.far.volumes][there], prepend=-1))
        return found if len(starts) == len(there) else np.minimum.reduceat(found, starts, axis=1)

    def at(self, volumes: np.ndarray) -> np.ndarray:
        """Return the places of the slices of some volumes (a mask)."""
        return np.flatnonzero(volumes[self.of_volumes])


def within(places: np.ndarray, block: Block) -> tuple[slice, np.ndarray]:
    """Return which of some ascending places lie in a block, and where in it.

    Example:
        >>> block = Block(slice(1, 3), slice(3, 8), (), np.array([0, 2]))
        >>> part, here = within(np.array([1, 4, 7]), block)
        >>> int(part.start), int(part.stop), here.tolist()
        (1, 3, [1, 4])
    """
    part = slice(*np.searchsorted(places, [block.rows.start, block.rows.stop]))
    return part, places[part] - block.rows.start


class Nearest:
    """The k smallest distances so far from each of some slices to the other subjects of a set.

    Args:
        rows: all slices.
        of: see ``Rows.nearest_of``, as ``to`` and ``k``.
    """

    def __init__(self, rows: Rows, of: np.ndarray, to: np.ndarray, k: int) -> None:
        self._rows, self._to = rows, to
        self.places = rows.at(of)
        self.distances = np.full((len(self.places), k), np.inf)

    def see(self, pairs: Pairs) -> None:
        """Look at the distances between two blocks."""
        part, here = within(self.places, pairs.near)
        found = self._rows.to_subjects(pairs, here, self._to)
        if not found.size:
            return
        k = self.distances.shape[1]
        joined = np.concatenate([self.distances[part], found], axis=1)
        self.distances[part] = np.partition(joined, k - 1, axis=1)[:, :k]


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    # A common origin amid the points keeps the squares small, and so their rounding.
    origin = y.mean(axis=0)
    x, y = x - origin, y - origin
    squares = x @ (-2.0 * y.T)
    squares += np.square(x).sum(axis=1)[:, None]
    squares += np.square(y).sum(axis=1)
    distances: np.ndarray = np.sqrt(squares.clip(min=0.0, out=squares), out=squares)
    return distances
