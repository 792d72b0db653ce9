"""Nearest neighbours: how much nearer a volume lies to one training patient than to the next.

Source: Facco et al. 2017, Scientific Reports 7:12140: the distribution of the ratio of the two nearest distances
depends on the intrinsic dimension of the data alone, and neither on their density nor on how many volumes there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.errors import Unavailable

_NO_DISTANCE = 1e-9
STRIP = 256
"""Embeddings whose similarities to all others are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Nearness:
    """How near the volumes of a judged side, samples or held-out ones, lie to the training volumes.

    Args:
        nearest: (volumes,) index of the nearest training volume.
        similarity: (volumes,) correlation of the embeddings with that one.
        ncc: (volumes,) correlation voxel by voxel with that one.
        ratio: (volumes,) distance to that one over the distance to the nearest volume of another patient, 0 to 1.
    """

    nearest: np.ndarray
    similarity: np.ndarray
    ncc: np.ndarray
    ratio: np.ndarray


def strips(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield Pearson's correlation of every embedding with every other, for at most 256 of the first at a time.

    Args:
        first: (n, d) embeddings.
        second: (m, d) embeddings.

    Yields:
        which rows of ``first``, and their correlations (rows, m).

    Raises:
        Unavailable: an embedding is not finite or does not vary, so that it correlates with nothing.
    """
    rows, columns = _standardised(first), _standardised(second).T
    for start in range(0, len(first), STRIP):
        part = slice(start, start + STRIP)
        yield part, rows[part] @ columns


def _standardised(embeddings: np.ndarray) -> np.ndarray:
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    if not np.all(np.isfinite(length)) or np.any(length == 0):
        raise Unavailable("an embedding is constant or not finite: look at that volume, or delete the trained encoder")
    unit: np.ndarray = centred / length
    return unit


def candidates(similarities: np.ndarray, patients: Sequence[str], *, most: int) -> np.ndarray:
    """Return for each row the most similar volume of each of the most similar patients.

    Args:
        similarities: (n, training).
        patients: the patient of each training volume, of two or more.
        most: patients.

    Returns:
        (n, at most ``most``) indices of training volumes, each of another patient, the most similar first.
    """
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    order = owner.argsort(kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    best = np.maximum.reduceat(similarities[:, order], starts, axis=1)
    chosen = np.argsort(-best, axis=1, kind="stable")[:, :most]
    of_each = (np.where(owner == patient[:, None], similarities, -np.inf).argmax(axis=1) for patient in chosen.T)
    found: np.ndarray = np.stack(list(of_each), axis=1)
    return found


def nearness_of(volumes: np.ndarray, similarities: np.ndarray, ncc: np.ndarray) -> Nearness:
    """Choose the nearest of each volume's candidates, and set its distance beside that of the next.

    The distance is (1 - r)(1 - NCC), r the correlation of the embeddings: two views of one likeness, so that a copy has
    to be near in both. Where even the next has distance 0 (a training volume that is there twice), the ratio is 1.

    Args:
        volumes: (n, k) indices of the candidates, each of another patient.
        similarities: (n, k) correlations of the embeddings.
        ncc: (n, k) correlations voxel by voxel.
    """
    distances = (1.0 - similarities).clip(min=0.0) * (1.0 - ncc).clip(min=0.0)
    order = distances.argsort(axis=1, kind="stable")
    first, second = (np.take_along_axis(distances, order[:, [place]], axis=1)[:, 0] for place in (0, 1))
    nearest, likeness, voxels = (
        np.take_along_axis(one, order[:, :1], axis=1)[:, 0] for one in (volumes, similarities, ncc)
    )
    ratio = np.divide(first, second, out=np.ones(len(first)), where=second > 0)
    return Nearness(nearest, likeness, voxels, ratio)


def nearest_among(similarities: np.ndarray, *, among: int) -> np.ndarray:
    """Return each row's expected largest similarity among ``among`` columns, over all choices of these.

    Args:
        similarities: (n, m).
        among: 1 to m.
    """
    columns = similarities.shape[1]
    ordered = -np.sort(-similarities, axis=1)
    # The k-th largest (k from 0) is the largest of the chosen if it is chosen and those before it are not.
    weights = np.empty(columns)
    remaining = 1.0
    for k in range(columns):
        chosen = min(1.0, among / (columns - k))
        weights[k] = remaining * chosen
        remaining *= 1.0 - chosen
    expected: np.ndarray = ordered @ weights
    return expected


def distance_ratio(to_training: Iterable[np.ndarray], to_held_out: Iterable[np.ndarray], *, among: int) -> float | str:
    """Return how much nearer volumes lie to training than to held-out volumes: 1 is equally near, below 1 nearer.

    It is the mean distance (1 - correlation) to the nearest training volume over that to the nearest held-out one, both
    among equally many.

    Args:
        to_training: strips (rows, training) of correlations of the embeddings.
        to_held_out: strips (rows, held-out) likewise.
        among: how many; no more than either has columns.

    Returns:
        the ratio; or, where a distance is 0 throughout, the reason why there is none.
    """
    train, other = (
        1.0 - np.concatenate([nearest_among(strip, among=among) for strip in side]).mean()
        for side in (to_training, to_held_out)
    )
    if other <= _NO_DISTANCE:
        return "these volumes are held-out volumes: their distance to the nearest of them is 0"
    return float(train / other)


def others(similarities: np.ndarray, subjects: Sequence[str], rows: slice = slice(None)) -> np.ndarray:
    """Return the similarities of volumes among themselves, without those of one subject: (rows, n - most of one).

    Args:
        similarities: (rows, n) of some volumes with all.
        subjects: the subject of each of the n volumes.
        rows: which of them the rows are.
    """
    names = np.asarray(subjects)
    same = names[rows, None] == names
    apart: np.ndarray = -np.sort(-np.where(same, -np.inf, similarities), axis=1)[:, : columns_of_others(subjects)]
    return apart


def columns_of_others(subjects: Sequence[str]) -> int:
    """Return how many volumes of other subjects every volume has."""
    return len(subjects) - max(Counter(subjects).values())
