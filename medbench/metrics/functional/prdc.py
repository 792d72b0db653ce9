"""Precision, recall, density and coverage: how two sets lie among each other, by distances to nearest subjects.

The ball of a slice reaches to the k-th nearest other *subject* of its own side; a subject is as far as its nearest
slice. Slices of the same subject are no neighbours: the adjacent slice is always the nearest one, and balls that end
there would hold nobody. Where every slice is a subject of its own, these are the definitions of the two papers.

Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eqs. 1 and 2 (precision, recall); Naeem et al. 2020,
arXiv:2002.09797, eqs. 3 and 4 (density, coverage).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.metrics.functional.blocks import blocks_of
from medbench.statistics.resampling import Stay


@dataclass(frozen=True, eq=False)
class Prdc:
    """The four figures, and what each subject's slices add to them.

    Args:
        precision: share of synthetic slices inside the ball of some real slice.
        recall: share of real slices inside the ball of some synthetic slice.
        density: synthetic subjects that reach a real ball, over their number if both sides were one population.
        coverage: share of real slices whose ball some synthetic slice reaches.
        real: of each real subject, its ``slices`` and the shares of them behind recall (``inside``) and coverage
            (``covered``).
        synthetic: of each synthetic subject, its ``slices`` and the share of them behind precision (``inside``).
    """

    precision: float
    recall: float
    density: float
    coverage: float
    real: Mapping[str, np.ndarray]
    synthetic: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class RealSlices:
    """Distances from each real slice to each subject: all that coverage and its jackknife need.

    Args:
        owner: (slices,) index of each slice's own subject.
        to_real: (slices, n) to each real subject; infinite to its own.
        to_synthetic: (slices, m) to each synthetic subject.
    """

    owner: np.ndarray
    to_real: np.ndarray
    to_synthetic: np.ndarray

    def coverage(self, k: int, real: Stay = slice(None), synthetic: Stay = slice(None)) -> float:
        """Return the share of real slices whose ball some synthetic slice reaches.

        Args:
            k: number of nearest subjects; more than k real subjects must stay.
            real: which real subjects stay.
            synthetic: likewise.
        """
        stays = np.zeros(self.to_real.shape[1], dtype=bool)
        stays[real] = True
        rows = stays[self.owner]
        radii = _radii(self.to_real[rows][:, stays], k)
        return float((self.to_synthetic[rows][:, synthetic].min(axis=1) <= radii).mean())


def expected_coverage(*, real: int, synthetic: int, k: int) -> float:
    """Return the mean coverage of two sets of one population, whatever the population.

    A real slice is missed where its k nearest among the other subjects of both sides all are real.

    Args:
        real: number of real subjects, above k.
        synthetic: number of synthetic subjects.
        k: number of nearest subjects.

    Example:
        >>> round(expected_coverage(real=88, synthetic=88, k=5), 3)
        0.971
    """
    place = np.arange(k)
    return float(1.0 - np.prod((real - 1 - place) / (real - 1 + synthetic - place)))


def prdc(*, real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray], k: int) -> tuple[Prdc, RealSlices]:
    """Return precision, recall, density and coverage, and the distances behind coverage.

    Args:
        real: one array (slices, d) a real subject; more than k subjects.
        synthetic: likewise.
        k: number of nearest subjects to which a ball reaches.

    Raises:
        ValueError: a side has no more than k subjects.

    Example:
        >>> real, synthetic = [np.array([[float(x)]]) for x in range(5)], [np.array([[float(x)]]) for x in (0, 1, 9)]
        >>> figures, slices = prdc(real=real, synthetic=synthetic, k=1)
        >>> figures.coverage, round(figures.precision, 3), slices.coverage(1, synthetic=np.array([True, False, True]))
        (0.4, 0.667, 0.2)
    """
    for name, subjects in (("real", real), ("synthetic", synthetic)):
        if len(subjects) <= k:
            raise ValueError(f"balls to the {k}th nearest subject need {k + 1} {name} subjects; got {len(subjects)}")
    to_real, owner = _to_own_side(real)
    radii = {"real": _radii(to_real, k), "synthetic": _radii(_to_own_side(synthetic)[0], k)}
    to_synthetic = np.empty((len(owner), len(synthetic)))
    real_inside = np.zeros(len(owner), dtype=bool)
    synthetic_inside = np.zeros(len(radii["synthetic"]), dtype=bool)
    for near, far in itertools.product(blocks_of(real), blocks_of(synthetic)):
        distances = _distances(near.points, far.points)
        to_synthetic[near.rows, far.subjects] = np.minimum.reduceat(distances, far.starts, axis=1)
        real_inside[near.rows] |= (distances <= radii["synthetic"][far.rows]).any(axis=1)
        synthetic_inside[far.rows] |= (distances <= radii["real"][near.rows, None]).any(axis=0)
    reached = to_synthetic <= radii["real"][:, None]
    covered: np.ndarray = np.any(reached, axis=1)
    figures = Prdc(
        precision=float(synthetic_inside.mean()),
        recall=float(real_inside.mean()),
        density=float(reached.sum(axis=1).mean() * len(real) / (k * len(synthetic))),
        coverage=float(covered.mean()),
        real=_by_subject(real, inside=real_inside, covered=covered),
        synthetic=_by_subject(synthetic, inside=synthetic_inside),
    )
    return figures, RealSlices(owner, to_real, to_synthetic)


def _by_subject(subjects: Sequence[np.ndarray], **flags: np.ndarray) -> dict[str, np.ndarray]:
    counts = np.array([len(rows) for rows in subjects])
    starts = np.cumsum([0, *counts[:-1]])
    return {"slices": counts} | {
        name: np.add.reduceat(one.astype(float), starts) / counts for name, one in flags.items()
    }


def _to_own_side(subjects: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return distances (slices, subjects) with infinity to each slice's own subject, and that subject's index."""
    owner = np.repeat(np.arange(len(subjects)), [len(part) for part in subjects])
    found = np.empty((len(owner), len(subjects)))
    blocks = blocks_of(subjects)
    for near, far in itertools.product(blocks, blocks):
        found[near.rows, far.subjects] = np.minimum.reduceat(_distances(near.points, far.points), far.starts, axis=1)
    found[np.arange(len(owner)), owner] = np.inf
    return found, owner


def _radii(to_subjects: np.ndarray, k: int) -> np.ndarray:
    radii: np.ndarray = np.partition(to_subjects, k - 1, axis=1)[:, k - 1]
    return radii


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
