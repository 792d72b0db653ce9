"""Maximum mean discrepancy (MMD), reduced to sums of kernel values over pairs of subjects.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),      x, x' real, y, y' synthetic, all of different subjects

Every mean is taken over all pairs of rows that come from different subjects. Pairs within a subject are left out as a
U-statistic leaves out the pairs of a row with itself: adjacent slices resemble each other more than two patients do,
and would raise the value of two sets of the same population. Where every row is a subject of its own, this is the usual
unbiased estimate. The sums by pair of subjects are all that the value and its jackknife need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.metrics.functional.blocks import runs_of_subjects
from medbench.statistics.resampling import Stay

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
_BLOCK_ROWS = 2048


def cubic_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return k(x, y) = (xᵀy / d + 1)³ for all pairs of rows, the kernel of the kernel inception distance.

    Args:
        x: (n, d) float64.
        y: (m, d) float64.

    Returns:
        (n, m).

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
    """

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :] - 2.0 * (x @ y.T)
        values: np.ndarray = np.exp(squares.clip(min=0.0) / (-2.0 * bandwidth**2))
        return values

    return kernel


def median_distance(rows: np.ndarray) -> float:
    """Return the median Euclidean distance between different rows (n, d), n of at least two."""
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
        """
        return cls(
            _sums_within(kernel, real),
            _sums_within(kernel, synthetic),
            _sums_between(kernel, real, synthetic),
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


def _sums_within(kernel: Kernel, subjects: Sequence[np.ndarray]) -> np.ndarray:
    sums = np.zeros((len(subjects), len(subjects)))
    blocks = runs_of_subjects(subjects, about=_BLOCK_ROWS)
    for index, rows in enumerate(blocks):
        for columns in blocks[: index + 1]:
            found = _sum_of_block(kernel, subjects[rows], subjects[columns])
            sums[rows, columns] = found
            sums[columns, rows] = found.T
    return sums


def _sums_between(kernel: Kernel, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
    sums = np.zeros((len(first), len(second)))
    for rows in runs_of_subjects(first, about=_BLOCK_ROWS):
        for columns in runs_of_subjects(second, about=_BLOCK_ROWS):
            sums[rows, columns] = _sum_of_block(kernel, first[rows], second[columns])
    return sums


def _sum_of_block(kernel: Kernel, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
    values = kernel(*(np.concatenate(side).astype(np.float64, copy=False) for side in (first, second)))
    starts = [np.cumsum([0, *(len(rows) for rows in side[:-1])]) for side in (first, second)]
    sums: np.ndarray = np.add.reduceat(np.add.reduceat(values, starts[0], axis=0), starts[1], axis=1)
    return sums
