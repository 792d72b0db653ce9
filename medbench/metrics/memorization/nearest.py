"""Nearest neighbours by embedding: who counts as a copy, and what chance alone would show.

All of it is exact: where two sets must have equal counts, the expectation over all subsets takes the place of chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medbench.errors import Unavailable

_NO_DISTANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Nearness:
    """How like the training volumes the volumes of a judged side are, samples or held-out ones.

    Args:
        to_training: (volumes, training) correlations of embeddings.
        to_held_out: (volumes, held-out) likewise.
        ncc: (volumes,) correlation voxel by voxel with the nearest training volume.
    """

    to_training: np.ndarray
    to_held_out: np.ndarray
    ncc: np.ndarray


class Threshold(NamedTuple):
    """Above these a volume is too similar: to embeddings' correlation and to the voxels'."""

    similarity: float
    ncc: float


@dataclass(frozen=True, eq=False)
class Turn:
    """What the thresholds made by one half of the held-out volumes say.

    Args:
        threshold: these.
        judged: (held-out,) which of them were judged: the other half.
        samples: (2, samples) which are too similar by embedding (flagged), and of these by their voxels (confirmed).
        held_out: (2, judged) likewise of the judged held-out volumes.
        memorized: share of training volumes near a sample, as many samples as judged held-out volumes (or the fewer).
        memorized_floor: share of training volumes near a judged held-out volume, at the same count.
        memorized_all: share of training volumes near any sample.
        distances: of the judged held-out volumes to the nearest training volume and to the nearest volume of the
            half that made the thresholds, at equal counts.
    """

    threshold: Threshold
    judged: np.ndarray
    samples: np.ndarray
    held_out: np.ndarray
    memorized: float
    memorized_floor: float
    memorized_all: float
    distances: tuple[np.ndarray, np.ndarray]


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every embedding with every other.

    Args:
        first: (n, d) embeddings.
        second: (m, d) embeddings.

    Returns:
        (n, m), symmetric in the two arguments up to transposition.

    Raises:
        Unavailable: an embedding is not finite or does not vary, so that it correlates with nothing.
    """
    found: np.ndarray = _standardised(first) @ _standardised(second).T
    return found


def _standardised(embeddings: np.ndarray) -> np.ndarray:
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    if not np.all(np.isfinite(length)) or np.any(length == 0):
        raise Unavailable("an embedding is constant or not finite: look at that volume, or delete the trained encoder")
    unit: np.ndarray = centred / length
    return unit


def share_with_neighbour(similarities: np.ndarray, threshold: float, *, among: int) -> float:
    """Return the share of rows that have a neighbour above a threshold among ``among`` columns.

    It is the expectation over all choices of ``among`` columns: with c of m columns above the threshold a row has one
    with probability 1 - C(m - c, among) / C(m, among).

    Args:
        similarities: (n, m).
        threshold: of the similarity.
        among: 1 to m.
    """
    columns = similarities.shape[1]
    above = (similarities > threshold).sum(axis=1)
    drawn = np.arange(among)
    # C(m - c, k) / C(m, k) = product over j < k of (m - c - j) / (m - j)
    factors = np.maximum(columns - above[:, None] - drawn, 0) / (columns - drawn)
    return float(np.mean(1.0 - factors.prod(axis=1)))


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


def turn_of(samples: Nearness, held_out: Nearness, *, makes: np.ndarray, threshold: Threshold) -> Turn:
    """Judge the samples and one half of the held-out volumes by the thresholds that the other half made.

    Args:
        samples: of all samples.
        held_out: of all held-out volumes.
        makes: (held-out,) which of them made the thresholds.
        threshold: of both.
    """
    judged = ~makes
    of_samples, of_judged = samples.to_training, held_out.to_training[judged]
    equal = min(len(of_samples), len(of_judged))
    near = min(int(makes.sum()), of_samples.shape[1])
    return Turn(
        threshold=threshold,
        judged=judged,
        samples=_verdict(of_samples, samples.ncc, threshold),
        held_out=_verdict(of_judged, held_out.ncc[judged], threshold),
        memorized=share_with_neighbour(of_samples.T, threshold.similarity, among=equal),
        memorized_floor=share_with_neighbour(of_judged.T, threshold.similarity, among=equal),
        memorized_all=share_with_neighbour(of_samples.T, threshold.similarity, among=len(of_samples)),
        distances=(
            1.0 - nearest_among(of_judged, among=near),
            1.0 - nearest_among(held_out.to_held_out[np.ix_(judged, makes)], among=near),
        ),
    )


def _verdict(similarities: np.ndarray, ncc: np.ndarray, threshold: Threshold) -> np.ndarray:
    flagged = similarities.max(axis=1) > threshold.similarity
    return np.stack([flagged, flagged & (ncc > threshold.ncc)])


def averaged(turns: Sequence[Turn]) -> tuple[np.ndarray, np.ndarray]:
    """Return flagged and confirmed (2, n) samples, averaged over both turns, and held-out volumes, each from its turn.

    Args:
        turns: both; each held-out volume is judged in exactly one.
    """
    judged = np.concatenate([np.flatnonzero(turn.judged) for turn in turns]).argsort()
    held_out: np.ndarray = np.concatenate([turn.held_out for turn in turns], axis=1)[:, judged].astype(float)
    return np.mean([turn.samples for turn in turns], axis=0), held_out


def distance_ratios(samples: Nearness, turns: Sequence[Turn]) -> dict[str, float | str]:
    """Return how much nearer volumes lie to training than to held-out volumes: 1 is equally near, below 1 nearer.

    A ratio is the mean distance (1 - correlation) to the nearest training volume over that to the nearest held-out
    one, both among equally many.

    Args:
        samples: of all samples.
        turns: both.

    Returns:
        nn_ratio: of the samples; nn_ratio_floor: of held-out volumes, against the other half; or, where a distance
        is 0 throughout, the reason why there is none.
    """
    sides = samples.to_training, samples.to_held_out
    columns = min(similarities.shape[1] for similarities in sides)
    pairs = {
        "nn_ratio": [1.0 - nearest_among(similarities, among=columns) for similarities in sides],
        "nn_ratio_floor": [np.concatenate(distances) for distances in zip(*(turn.distances for turn in turns))],
    }
    return {
        name: float(train.mean() / other.mean())
        if other.mean() > _NO_DISTANCE
        else "these volumes are held-out volumes: their distance to the nearest of them is 0"
        for name, (train, other) in pairs.items()
    }


def newcombe_interval(*, first: float, first_count: int, second: float, second_count: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference first - second of two independent shares.

    It joins the two Wilson intervals and so keeps a width where a share is 0 or 1, as is common with few volumes.

    Args:
        first: share, 0..1.
        first_count: of how many.
        second: share, 0..1.
        second_count: of how many.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10.
    """
    low, high = _wilson(first, first_count)
    other_low, other_high = _wilson(second, second_count)
    difference = first - second
    below = np.hypot(first - low, other_high - second)
    above = np.hypot(high - first, second - other_low)
    return float(difference - below), float(difference + above)


def _wilson(share: float, count: int) -> tuple[float, float]:
    z = 1.959963984540054
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(centre - half), float(centre + half)
