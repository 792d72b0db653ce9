"""Maximum mean discrepancy (MMD), reduced to sums of kernel values over pairs of subjects.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),      x, x' real, y, y' synthetic, all of different subjects

Every mean is taken over all pairs of rows that come from different subjects. Pairs within a subject are left out as a
U-statistic leaves out the pairs of a row with itself: adjacent slices resemble each other more than two patients do,
and would raise the value of two sets of the same population. Where every row is a subject of its own, this is the usual
unbiased estimate. The sums by pair of subjects are all that the value and its jackknife need.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.metrics.functional.blocks import Block, blocks_of
from medbench.statistics.resampling import Stay

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
    cubed: np.ndarray = base * base * base
    return cubed


def gaussian_kernel(bandwidth: float) -> Kernel:
    """Return k(x, y) = exp(-|x - y|² / (2 · bandwidth²)) as a function of all pairs of rows.

    Args:
        bandwidth: in the unit of the features, above 0.

    Example:
        >>> gaussian_kernel(1.0)(np.array([[0.0]]), np.array([[0.0], [2.0]])).round(4).tolist()
        [[1.0, 0.1353]]
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :] - 2.0 * (x @ y.T)
        values: np.ndarray = np.exp(squares.clip(min=0.0) / (-2.0 * bandwidth**2))
        return values

    return kernel


def median_distance(rows: np.ndarray) -> float:
    """Return the median Euclidean distance between different rows (n, d), n of at least two.

    Example:
        >>> median_distance(np.array([[0.0], [1.0], [10.0]]))
        9.0
    """
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(rows)))


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of kernel values over all pairs of rows, by pair of subjects.

    Args:
        real: (n, n) between real subjects, symmetric; its diagonal is never used.
        synthetic: (m, m) likewise.
        cross: (n, m) between real and synthetic subjects.
        real_rows: (n,) rows of each real subject.
        synthetic_rows: (m,) likewise.
    """

    real: np.ndarray
    synthetic: np.ndarray
    cross: np.ndarray
    real_rows: np.ndarray
    synthetic_rows: np.ndarray

    @classmethod
    def of(cls, kernel: Kernel, *, real: Sequence[np.ndarray], synthetic: Sequence[np.ndarray]) -> KernelSums:
        """Return the sums for rows by subject; blocks of about 2048 x 2048 kernel values bound the memory.

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
        first, second = blocks_of(real), blocks_of(synthetic)
        return cls(
            _sums_within(kernel, first),
            _sums_within(kernel, second),
            _sums_between(kernel, first, second),
            np.array([len(rows) for rows in real]),
            np.array([len(rows) for rows in synthetic]),
        )

    def mmd2(self, real: Stay = slice(None), synthetic: Stay = slice(None)) -> float:
        """Return the unbiased estimate of MMD², which can be below 0.

        Args:
            real: which real subjects stay: two or more.
            synthetic: likewise.
        """
        n, m = np.zeros_like(self.real_rows), np.zeros_like(self.synthetic_rows)
        n[real], m[synthetic] = self.real_rows[real], self.synthetic_rows[synthetic]
        stay_n, stay_m = (n > 0).astype(float), (m > 0).astype(float)
        between = stay_n @ self.cross @ stay_m / (n.sum() * m.sum())
        return float(_mean_of_pairs(self.real, n) + _mean_of_pairs(self.synthetic, m) - 2.0 * between)


def _mean_of_pairs(sums: np.ndarray, rows: np.ndarray) -> float:
    """Average over the pairs of rows of different subjects; a subject with no rows does not take part."""
    stay = (rows > 0).astype(float)
    others = stay @ sums @ stay - np.diag(sums) @ stay
    return float(others / (rows.sum() ** 2 - np.square(rows).sum()))


def _sums_within(kernel: Kernel, blocks: Sequence[Block]) -> np.ndarray:
    sums = np.zeros(2 * [blocks[-1].subjects.stop])
    for index, near in enumerate(blocks):
        for far in blocks[: index + 1]:
            found = _sums_of_pair(kernel, near, far)
            sums[near.subjects, far.subjects] = found
            sums[far.subjects, near.subjects] = found.T
    return sums


def _sums_between(kernel: Kernel, first: Sequence[Block], second: Sequence[Block]) -> np.ndarray:
    sums = np.zeros((first[-1].subjects.stop, second[-1].subjects.stop))
    for near, far in itertools.product(first, second):
        sums[near.subjects, far.subjects] = _sums_of_pair(kernel, near, far)
    return sums


def _sums_of_pair(kernel: Kernel, near: Block, far: Block) -> np.ndarray:
    # Copies: numpy multiplies an array with itself by another routine, whose last digits differ.
    values = kernel(*(block.points.astype(np.float64) for block in (near, far)))
    sums: np.ndarray = np.add.reduceat(np.add.reduceat(values, near.starts, axis=0), far.starts, axis=1)
    return sums
