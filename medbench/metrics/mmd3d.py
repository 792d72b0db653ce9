"""Squared maximum mean discrepancy of volume features with a Gaussian kernel: unbiased at any number of volumes.

    MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y),      k(x, y) = exp(-|x - y|² / (2 σ²))

σ is the median distance between the real volumes' features (median heuristic). The estimate is the U-statistic over
pairs of different subjects: it can be below 0, and its mean is 0 where both sides come from one distribution.
"""

from __future__ import annotations

from typing import ClassVar

from medbench.errors import Unavailable
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.features import vector_table, volume_vectors, volumes_by_subject
from medbench.metrics.functional.mmd import KernelSums, gaussian_kernel, median_distance
from medbench.records.results import Definition


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
        parts={"bandwidth": Definition("width of the Gaussian kernel: the median distance of feature vectors")},
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, features are not finite, or most real ones are equal.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        vectors = volume_vectors(evidence)
        bandwidth = median_distance(vectors[0])
        if bandwidth == 0.0:
            raise Unavailable("most pairs of real volumes have equal features: no bandwidth can be had")
        real, synthetic = (volumes_by_subject(rows, side) for rows, side in zip(vectors, sides))
        sums = KernelSums.of(gaussian_kernel(bandwidth), real=real, synthetic=synthetic)
        return Measurement.between(
            evidence,
            sums.mmd2(),
            sums.mmd2,  # the bandwidth stays that of all real volumes
            table=lambda: vector_table(evidence, real=vectors[0], synthetic=vectors[1]),
            non_negative=False,
            by_group=True,
            parts={"bandwidth": bandwidth},
        )
