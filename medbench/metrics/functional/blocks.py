"""Rows by subject, cut into blocks of bounded size: all pairs of rows are looked at block by block."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Block:
    """A run of whole subjects.

    Args:
        subjects: the places of these subjects among all.
        rows: the places of their rows among all rows.
        points: (rows, d) the rows themselves.
        starts: (subjects,) the first of ``points`` of each subject.
    """

    subjects: slice
    rows: slice
    points: np.ndarray
    starts: np.ndarray


def blocks_of(subjects: Sequence[np.ndarray]) -> list[Block]:
    """Return all rows in blocks of whole subjects, of about 2048 rows each.

    Args:
        subjects: one array (rows, d) a subject.

    Example:
        >>> [block] = blocks_of([np.zeros((3, 2)), np.ones((1, 2))])
        >>> block.points.shape, block.starts.tolist()
        ((4, 2), [0, 3])
    """
    ends = np.cumsum([0, *(len(rows) for rows in subjects)])
    return [
        Block(run, slice(ends[run.start], ends[run.stop]), np.concatenate(subjects[run]), ends[run] - ends[run.start])
        for run in runs_of_subjects(subjects, about=BLOCK_ROWS)
    ]


def runs_of_subjects(subjects: Sequence[np.ndarray], *, about: int) -> list[slice]:
    """Cut a sequence of subjects into runs of whole subjects with about as many rows each.

    Args:
        subjects: one array (rows, d) a subject.
        about: rows of a run; a run is longer by less than one subject.

    Example:
        >>> runs_of_subjects([np.ones((3, 2)), np.ones((2, 2)), np.ones((4, 2))], about=5)
        [slice(0, 1, None), slice(1, 3, None)]
    """
    ends = np.cumsum([len(rows) for rows in subjects])
    cuts = np.flatnonzero(np.diff(ends // about)) + 1
    edges = [0, *cuts.tolist(), len(subjects)]
    return [slice(start, end) for start, end in itertools.pairwise(edges) if end > start]
