"""Squared maximum mean discrepancy of volume features with a Gaussian kernel: unbiased at any number of volumes.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),      k(x, y) = exp(-|x - y|² / (2 σ²))

σ is the median distance between the real volumes' features (median heuristic). The estimate is the U-statistic over
pairs of different subjects: it can be below 0, and its mean is 0 where both sides come from one distribution.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Evidence, Measurement, MetricInfo, require_subjects
from medbench.metrics.features import by_subject, vector_table, volume_vectors
from medbench.metrics.functional.mmd import KernelSums, gaussian_kernel
from medbench.statistics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    jackknife_interval,
    too_few,
)


class Mmd3d:
    """Squared maximum mean discrepancy between the features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="mmd3d",
        version="1",
        summary="unbiased squared maximum mean discrepancy between the features of real and synthetic volumes",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Gretton et al. 2012, A kernel two-sample test, JMLR 13:723, eq. 3; median heuristic: section 8",
        needs=("volume_extractor",),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, features are not finite, or most real ones are equal.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        real, synthetic = (volume_vectors(side) for side in sides)
        bandwidth = median_distance(real)
        if bandwidth == 0.0:
            raise Unavailable("most pairs of real volumes have equal features: no bandwidth can be had")
        subjects = sides[0].subjects, sides[1].subjects
        sums = KernelSums.of(
            gaussian_kernel(bandwidth),
            real=by_subject(real, subjects[0]),
            synthetic=by_subject(synthetic, subjects[1]),
        )
        value = sums.mmd2()
        interval: Interval = NOT_ASKED
        replicates: dict[str, Replicates] = {}
        if evidence.intervals:
            interval, replicates = _interval(value, sums, *(sorted(set(side)) for side in subjects))
        return Measurement(
            value,
            interval.ends,
            interval.method,
            parts={"bandwidth": bandwidth},
            table=vector_table(*sides, real=real, synthetic=synthetic) if evidence.intervals else None,
            replicates=replicates,
        )


def median_distance(rows: np.ndarray) -> float:
    """Return the median Euclidean distance between different rows (n, d), n of at least two."""
    from scipy.spatial.distance import pdist

    return float(np.median(pdist(rows)))


def _interval(
    value: float, sums: KernelSums, real: list[str], synthetic: list[str]
) -> tuple[Interval, dict[str, Replicates]]:
    """Leave out groups of subjects; the bandwidth stays that of all real volumes."""
    absent = too_few(real, synthetic)
    if absent is not None:
        return absent, {}
    replicates = {
        "real": delete_each_group(lambda stay: sums.mmd2(real_stay=stay), real),
        "synthetic": delete_each_group(lambda stay: sums.mmd2(synthetic_stay=stay), synthetic),
    }
    return jackknife_interval(value, **replicates, non_negative=False), replicates
