"""A metric of your own: how far the mean HU of real and synthetic volumes are apart.

medbench evaluate SAMPLES --real REAL --metrics template_name.py:TemplateName
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medbench import Evidence, Measurement, MetricInfo, Side, Volume, require_subjects

# Part of the cache's key: raise it when ``of_volume`` changes.
SETTINGS = {"version": 1}


def of_volume(volume: Volume) -> dict[str, np.ndarray]:
    """Return what the metric needs to know of one volume; computed once a volume and kept."""
    return {"mean_hu": np.array(volume.voxels.mean(dtype=np.float64))}


class TemplateName:
    """Distance of the mean HU."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="template-name",
        version="1",  # raise it when the same volumes would yield another value
        summary="distance between the mean HU of real and synthetic volumes",
        better="lower",
        unit="HU",
        min_real=2,
        min_synthetic=2,
        source="where it is defined: paper and equation",
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Return the value with its interval; the floor is this method on splits of the real volumes."""
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        real, synthetic = map(_means, sides)

        def distance(of_real: np.ndarray | slice, of_synthetic: np.ndarray | slice) -> float:
            return float(abs(real[of_real].mean() - synthetic[of_synthetic].mean()))

        value = distance(slice(None), slice(None))
        return Measurement.between(evidence, value, distance, non_negative=True)


def _means(side: Side) -> np.ndarray:
    found = side.derived("template-name", of_volume, of=("volume",), settings=SETTINGS)
    return np.array([one["mean_hu"] for one in found])
