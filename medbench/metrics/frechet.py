"""The Fréchet distance of two Gaussians, from statistics that are streamed, merged and divided again.

    d² = |μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁ Σ₂)^½

With factors Σ₁ = A Aᵀ and Σ₂ = B Bᵀ the last trace is the nuclear norm of Aᵀ B. No root of a matrix is taken, nothing
becomes complex, and covariances of fewer rows than dimensions need no offset on the diagonal.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Sufficient statistics of a set of feature vectors; memory depends on their dimension only.

    Args:
        count: number of vectors.
        mean: (d,) float64.
        scatter: (d, d) float64, sum over the vectors of (x - mean)(x - mean)ᵀ.

    Source: Chan, Golub, LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> FeatureStatistics:
        """Return the statistics of features (n, d) with n of at least one."""
        rows = np.asarray(features, dtype=np.float64)
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Return the statistics of both sets together: what ``of`` would return for all their rows."""
        count = self.count + other.count
        gap = other.mean - self.mean
        between = np.outer(gap, gap) * (self.count * other.count / count)
        return FeatureStatistics(count, self.mean + gap * (other.count / count), self.scatter + other.scatter + between)

    def without(self, part: FeatureStatistics) -> FeatureStatistics:
        """Return the statistics of the rows that are not in ``part``, a proper subset of these rows."""
        count = self.count - part.count
        mean = self.mean + (self.mean - part.mean) * (part.count / count)
        gap = part.mean - mean
        between = np.outer(gap, gap) * (count * part.count / self.count)
        return FeatureStatistics(count, mean, self.scatter - part.scatter - between)

    @functools.cached_property
    def factor(self) -> np.ndarray:
        """A matrix A (d, rank) with A Aᵀ = covariance (n - 1 in the denominator).

        Pivoted Cholesky ends by itself where the remaining variance is rounding; what lies beyond min(n - 1, d)
        columns cannot be anything else.

        Raises:
            ValueError: fewer than two vectors, which have no covariance.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs two vectors or more; got {self.count}")
        from scipy.linalg.lapack import dpstrf

        packed, pivots, rank, _ = dpstrf(self.scatter / (self.count - 1), lower=1)
        rank = min(rank, self.count - 1)
        factor = np.empty((len(self.mean), rank))
        factor[pivots - 1] = np.tril(packed)[:, :rank]
        return factor


def merged(parts: Iterable[FeatureStatistics]) -> FeatureStatistics:
    """Return the statistics of all parts together."""
    return functools.reduce(FeatureStatistics.merge, parts)


def frechet_distance(real: FeatureStatistics, synthetic: FeatureStatistics) -> float:
    """Return the squared Fréchet distance of the Gaussians with these means and covariances.

    It is symmetric, never complex, and zero up to rounding (below 1e-12 of the total variance) for equal statistics;
    negative rounding is returned as 0.

    Args:
        real: statistics of two vectors or more.
        synthetic: likewise, of the same dimension.

    Raises:
        ValueError: fewer than two vectors on a side.

    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6. Equals ``monai.metrics.FIDMetric`` where its matrix root is
        well conditioned.
    """
    a, b = real.factor, synthetic.factor
    overlap = np.linalg.svd(a.T @ b, compute_uv=False).sum() if a.size and b.size else 0.0
    gap = real.mean - synthetic.mean
    # Traces from the factors, not from the scatters: what the factors drop then cancels for equal statistics.
    distance = gap @ gap + np.square(a).sum() + np.square(b).sum() - 2.0 * overlap
    return max(float(distance), 0.0)
