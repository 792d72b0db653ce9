"""Maximum mean discrepancy (MMD), reduced to sums of kernel values over pairs of subjects.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),      x, x' real, y, y' synthetic, all of different subjects

Every mean is taken over all pairs of rows that come from different subjects. Pairs within a subject are left out as a
U-statistic leaves out the pairs of a row with itself: adjacent slices resemble each other more than two patients do,
and would raise the value of two sets of the same population. Where every row is a subject of its own, this is the usual
unbiased estimate. The sums by pair of groups of subjects are all that the value and its jackknife need; they follow
from the sums of each volume with each set, which are made for any number of sets in one pass over the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.metrics.functional.blocks import blocks_of, by_volume
from medbench.statistics.resampling import MOST_GROUPS, Stay

_MOST = 4096

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def cubic_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return k(x, y) = (xᵀy / d + 1)³ for all pairs of rows, the kernel of the kernel inception distance.

    Args:
        x: (n, d) float64.
        y: (m, d) float64.

    Returns:
        (n, m).

    Example:
        >>> cubic_kernel(np.array([[1.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])).tolist()
        [[8.0, 1.0]]

    Source: Bińkowski et al. 2018, Demystifying MMD GANs, arXiv:1801.01401, section 4.
    """
    base = x @ y.T
    base /= x.shape[1]
    base += 1.0
    square: np.ndarray = np.square(base)
    square *= base
    return square


def gaussian_kernel(bandwidth: float) -> Kernel:
    """Return k(x, y) = exp(-|x - y|² / (2 · bandwidth²)) as a function of all pairs of rows.

    Args:
        bandwidth: in the unit of the features, above 0.

    Example:
        >>> gaussian_kernel(1.0)(np.array([[0.0]]), np.array([[0.0], [2.0]])).round(4).tolist()
        [[1.0, 0.1353]]
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        values: np.ndarray = x @ (-2.0 * y.T)
        values += np.square(x).sum(axis=1)[:, None]
        values += np.square(y).sum(axis=1)
        np.maximum(values, 0.0, out=values)
        values /= -2.0 * bandwidth**2
        np.exp(values, out=values)
        return values

    return kernel


def median_distance(rows: np.ndarray) -> float:
    """Return the median Euclidean distance between different rows (n, d), n of at least two.

    Squares by way of one product are off by no more than a bound that is known, so that they tell which pairs can be in
    the middle; the distances of these few are then taken from the differences. Memory: 16 · n² bytes up to 4096 rows,
    4 · n² beyond, where all distances are taken from differences.

    Example:
        >>> median_distance(np.array([[0.0], [1.0], [10.0]]))
        9.0
    """
    if len(rows) > _MOST:
        return _plain_median(rows)
    centred = rows - rows.mean(axis=0)
    norms = np.square(centred).sum(axis=1)
    squares = centred @ (-2.0 * centred.T)
    squares += norms[:, None]
    squares += norms
    pairs = np.tri(len(rows), k=-1, dtype=bool)
    each = squares[pairs]
    first, last = (len(each) - 1) // 2, len(each) // 2
    each.partition([first, last])
    # Four products of d terms, each rounded; the rows themselves were when they were centred.
    off = 8.0 * (rows.shape[1] + 4) * np.finfo(float).eps * norms.max()
    low, high = each[first] - 2.0 * off, each[last] + 2.0 * off
    here, there = np.nonzero(pairs & (squares >= low) & (squares <= high))
    if len(here) > _MOST:
        return _plain_median(rows)
    middle = np.sort(np.linalg.norm(rows[here] - rows[there], axis=1))
    below = np.count_nonzero(each < low)
    return float(middle[[first - below, last - below]].mean())


def _plain_median(rows: np.ndarray) -> float:
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(rows), overwrite_input=True))


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of kernel values over pairs of rows of different subjects, by pair of groups of subjects.

    Args:
        real: (g, g) between groups of real subjects, symmetric.
        synthetic: (h, h) likewise.
        cross: (g, h) between groups of real and of synthetic subjects.
        real_pairs: (g, 2) rows of each real group, and pairs of its rows that come from one subject.
        synthetic_pairs: (h, 2) likewise.
    """

    real: np.ndarray
    synthetic: np.ndarray
    cross: np.ndarray
    real_pairs: np.ndarray
    synthetic_pairs: np.ndarray

    @classmethod
    def of(cls, kernel: Kernel, *, real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray]) -> KernelSums:
        """Return the sums for rows by subject, in at most 20 groups a side as ``groups_of`` deals them.

        Args:
            kernel: of all pairs of rows.
            real: one array (rows, d) a real subject, one row or more.
            synthetic: likewise.

        Example:
            >>> real, synthetic = np.array([[[0.0]], [[1.0]], [[2.0]]]), np.array([[[5.0]], [[6.0]]])
            >>> sums = KernelSums.of(gaussian_kernel(1.0), real=real, synthetic=synthetic)
            >>> sums.cross.shape, round(sums.mmd2(), 3)
            ((3, 2), 1.052)
        """
        rows = [*real, *synthetic]
        groups = [np.arange(len(side)) % MOST_GROUPS for side in (real, synthetic)]
        groups[1] = groups[1] + groups[0].max() + 1
        members = np.concatenate(groups) == np.arange(groups[1].max() + 1)[:, None]
        sums = sums_with_sets(kernel, rows, np.arange(len(rows)), members)
        first = groups[0].max() + 1
        return cls.between(sums, members[:first], members[first:], at=(slice(first), slice(first, None)))

    @classmethod
    def between(
        cls, sums: VolumeSums, real: np.ndarray, synthetic: np.ndarray, *, at: tuple[slice, slice]
    ) -> KernelSums:
        """Return the sums between groups of volumes, from those of each volume with each group.

        Args:
            sums: see ``sums_with_sets``.
            real: (g, volumes) the volumes of each real group; a subject is in one group.
            synthetic: (h, volumes) likewise.
            at: the places of these groups among the sets of ``sums``.
        """
        return cls(
            real @ sums.with_sets[:, at[0]],
            synthetic @ sums.with_sets[:, at[1]],
            real @ sums.with_sets[:, at[1]],
            *(np.array([sums.pairs(group) for group in side]) for side in (real, synthetic)),
        )

    def mmd2(self, real: Stay = slice(None), synthetic: Stay = slice(None)) -> float:
        """Return the unbiased estimate of MMD², which can be below 0.

        Args:
            real: which groups of real subjects stay: with two subjects or more.
            synthetic: likewise.
        """
        between = self.cross[real][:, synthetic].sum()
        rows = self.real_pairs[real, 0].sum() * self.synthetic_pairs[synthetic, 0].sum()
        within = [_mean(self.real[real][:, real], self.real_pairs[real])]
        within.append(_mean(self.synthetic[synthetic][:, synthetic], self.synthetic_pairs[synthetic]))
        return float(sum(within) - 2.0 * between / rows)


def _mean(sums: np.ndarray, pairs: np.ndarray) -> float:
    """Average over the pairs of rows of different subjects."""
    rows, of_one_subject = pairs.sum(axis=0)
    return float(sums.sum() / (rows**2 - of_one_subject))


@dataclass(frozen=True, eq=False)
class VolumeSums:
    """Kernel sums of each volume with sets of volumes; see ``sums_with_sets``.

    Args:
        with_sets: (volumes, sets).
        rows: (volumes,) rows of each volume.
        owners: (volumes,) its subject.
    """

    with_sets: np.ndarray
    rows: np.ndarray
    owners: np.ndarray

    def pairs(self, group: np.ndarray) -> tuple[int, int]:
        """Return the rows of a group of volumes (a mask), and how many pairs of them come from one subject."""
        _, subject = np.unique(self.owners[group], return_inverse=True)
        by_subject = np.bincount(subject, weights=self.rows[group])
        return int(by_subject.sum()), int(np.square(by_subject).sum())


def sums_with_sets(
    kernel: Kernel, volumes: Sequence[np.ndarray], owners: np.ndarray, members: np.ndarray
) -> VolumeSums:
    """Return the sum of the kernel over pairs of a volume's rows and a set's, without those of its own subject.

    Each pair of rows is looked at once, for all sets. Memory: blocks of about 1024 x 1024 kernel values, and a number
    for each volume and set.

    Args:
        kernel: symmetric, of all pairs of rows.
        volumes: rows (rows, d) of each volume.
        owners: (volumes,) a number for the subject of each volume.
        members: (sets, volumes) which volumes each set has.

    Example:
        >>> rows = [np.array([[1.0]]), np.array([[2.0], [3.0]]), np.array([[5.0]])]
        >>> everyone = np.ones((1, 3), dtype=bool)
        >>> sums_with_sets(lambda x, y: x @ y.T, rows, np.array([0, 0, 1]), everyone).with_sets.ravel().tolist()
        [5.0, 25.0, 30.0]
    """
    found = np.zeros((len(volumes), len(members)))
    weights = members.T.astype(float)
    blocks = blocks_of(volumes)
    for index, near in enumerate(blocks):
        points = near.points()
        for far in blocks[: index + 1]:
            # A copy also of itself: numpy multiplies an array with itself by another routine, whose last digits differ.
            values = kernel(points, far.points())
            sums = np.add.reduceat(by_volume(np.add, values, near.starts), far.starts, axis=1)
            sums[owners[near.volumes, None] == owners[far.volumes]] = 0.0
            found[near.volumes] += sums @ weights[far.volumes]
            if far is not near:
                found[far.volumes] += sums.T @ weights[near.volumes]
    return VolumeSums(found, np.array([len(rows) for rows in volumes]), owners)
