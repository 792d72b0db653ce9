"""Label maps as runs of equal labels: small, and all that the overlap of two of them needs.

Voxels are taken in C order (z runs fastest). Counts are exact: they are those of the voxels themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """A label map without its grid.

    Args:
        ends: (runs,) unsigned, rising: the index of the voxel after each run; the last one counts the voxels.
        labels: (runs,) uint8.
    """

    ends: np.ndarray
    labels: np.ndarray


def runs_of(voxels: np.ndarray) -> LabelRuns:
    """Return the runs of a label map.

    Args:
        voxels: (x, y, z) uint8.

    Example:
        >>> found = runs_of(np.array([[[0, 0, 3]], [[3, 3, 0]]], np.uint8))
        >>> found.ends.tolist(), found.labels.tolist()
        ([2, 5, 6], [0, 3, 0])
    """
    flat = voxels.reshape(-1)
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    return LabelRuns(ends.astype(np.min_scalar_type(flat.size)), flat[ends - 1])


def joint_counts(first: LabelRuns, second: LabelRuns) -> np.ndarray:
    """Return how many voxels hold each pair of labels: (256, 256) int64.

    Args:
        first: of a label map.
        second: of another one of the same shape.

    Example:
        >>> one, other = (runs_of(np.array([[labels]], np.uint8)) for labels in ([0, 1, 1, 1], [0, 0, 1, 1]))
        >>> joint_counts(one, other)[:2, :2].tolist()
        [[1, 0], [1, 2]]
    """
    ends = np.union1d(first.ends, second.ends)
    lengths = np.diff(ends.astype(np.int64), prepend=0)
    labels = [one.labels[np.searchsorted(one.ends, ends)].astype(np.uint16) for one in (first, second)]
    # Sums of whole numbers below 2^53 are exact in double precision.
    counts = np.bincount(labels[0] * np.uint16(256) + labels[1], weights=lengths, minlength=256 * 256)
    found: np.ndarray = counts.astype(np.int64).reshape(256, 256)
    return found
