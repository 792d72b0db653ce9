"""Rows by subject, cut into blocks of bounded size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def runs_of_subjects(subjects: Sequence[np.ndarray], *, about: int) -> list[slice]:
    """Cut a sequence of subjects into runs of whole subjects with about as many rows each.

    Args:
        subjects: one array (rows, d) a subject.
        about: rows of a run; a run is longer by less than one subject.
    """
    ends = np.cumsum([len(rows) for rows in subjects])
    cuts = np.flatnonzero(np.diff(ends // about)) + 1
    edges = [0, *cuts.tolist(), len(subjects)]
    return [slice(start, end) for start, end in itertools.pairwise(edges) if end > start]
