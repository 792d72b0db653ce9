"""Rows by volume, cut into blocks of bounded size: all pairs of rows are looked at block by block."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Block:
    """A run of whole volumes.

    Args:
        volumes: the places of these volumes among all.
        rows: the places of their rows among all rows.
        parts: one array (rows, d) a volume.
        starts: (volumes,) the first row of each volume, counted within the block.
    """

    volumes: slice
    rows: slice
    parts: Sequence[np.ndarray]
    starts: np.ndarray

    def points(self) -> np.ndarray:
        """Return the rows themselves: (rows, d) float64, made anew each time."""
        return np.concatenate(self.parts, dtype=np.float64)


def blocks_of(volumes: Sequence[np.ndarray], owners: np.ndarray | None = None) -> list[Block]:
    """Return all rows in blocks of whole volumes, of about 1024 rows each.

    Args:
        volumes: one array (rows, d) a volume.
        owners: (volumes,) the subject of each volume, ascending: a block then has whole subjects.

    Example:
        >>> [block] = blocks_of([np.zeros((3, 2)), np.ones((1, 2))])
        >>> block.points().shape, block.starts.tolist()
        ((4, 2), [0, 3])
    """
    ends = np.cumsum([0, *(len(rows) for rows in volumes)])
    return [
        Block(run, slice(ends[run.start], ends[run.stop]), volumes[run], ends[run] - ends[run.start])
        for run in runs_of_volumes(volumes, about=BLOCK_ROWS, owners=owners)
    ]


def by_volume(operation: np.ufunc, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Reduce the rows of each volume: ``operation.reduceat(values, starts, axis=0)``, which takes ten times as long.

    Args:
        operation: like ``np.add``.
        values: (rows, m).
        starts: (volumes,) the first row of each volume, ascending.

    Example:
        >>> by_volume(np.add, np.array([[1.0, 5.0], [2.0, 6.0], [4.0, 7.0]]), np.array([0, 2])).tolist()
        [[3.0, 11.0], [4.0, 7.0]]
    """
    found = np.empty((len(starts), values.shape[1]))
    for place, (start, end) in enumerate(itertools.pairwise([*starts, len(values)])):
        operation.reduce(values[start:end], axis=0, out=found[place])
    return found


def runs_of_volumes(volumes: Sequence[np.ndarray], *, about: int, owners: np.ndarray | None = None) -> list[slice]:
    """Cut a sequence of volumes into runs of whole volumes with about as many rows each.

    Args:
        volumes: one array (rows, d) a volume.
        about: rows of a run; a run is longer by less than one volume, or subject.
        owners: see ``blocks_of``.

    Example:
        >>> runs_of_volumes([np.ones((3, 2)), np.ones((2, 2)), np.ones((4, 2))], about=5)
        [slice(0, 1, None), slice(1, 3, None)]
    """
    ends = np.cumsum([len(rows) for rows in volumes])
    if owners is not None:  # a subject ends where its last volume does
        ends = ends[np.searchsorted(owners, owners, side="right") - 1]
    cuts = np.flatnonzero(np.diff(ends // about)) + 1
    edges = [0, *cuts.tolist(), len(volumes)]
    return [slice(start, end) for start, end in itertools.pairwise(edges) if end > start]
