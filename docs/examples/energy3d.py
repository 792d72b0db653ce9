"""Energy distance of volume features: a metric of your own, in one file and with no line in any other.

    medbench evaluate samples --real scans --metrics docs/examples/energy3d.py:Energy3d

    E = 2 E|x - y| - E|x - x'| - E|y - y'|,      x, x' real, y, y' synthetic

Every mean runs over all pairs, those of a volume with itself included (V-statistic): E is 0 for a set against itself,
never below 0, and above 0 for two finite sets of one population, which its floor shows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medbench import Evidence, Measurement, MetricInfo, require_subjects


def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances (n, m) between rows (n, d) and others (m, d)."""
    return np.stack([np.linalg.norm(row - others, axis=1) for row in rows])


class Energy3d:
    """Energy distance between the features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="energy3d",
        version="1",
        summary="energy distance between features of real and synthetic volumes, one vector a volume",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Székely, Rizzo 2013, Energy statistics, Journal of Statistical Planning and Inference 143:1249",
        needs=("volume_extractor",),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric."""
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        real, synthetic = (np.array(list(side.volume_features()), dtype=np.float64) for side in sides)
        across, within, among = distances(real, synthetic), distances(real, real), distances(synthetic, synthetic)

        def energy(r: np.ndarray | slice, s: np.ndarray | slice) -> float:
            return float(2 * across[r][:, s].mean() - within[r][:, r].mean() - among[s][:, s].mean())

        return Measurement.between(evidence, energy(slice(None), slice(None)), energy, non_negative=True)
