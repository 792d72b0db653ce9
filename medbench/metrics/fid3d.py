"""Fréchet distance of volume features: one vector a volume, so that through-plane anatomy counts.

A few dozen volumes in hundreds of dimensions bias the distance upwards by far more than generators differ: read it
beside its floor at the same counts, and beside ``mmd3d``, which has no such bias.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.features import notes_on_bias, vector_table, volume_vectors
from medbench.metrics.functional.frechet import frechet_between
from medbench.records.results import Definition


class Fid3d:
    """Fréchet distance between the features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="fid3d",
        version="1",
        summary="Fréchet distance between the features of real and synthetic volumes, one vector a volume",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Heusel et al. 2017, arXiv:1706.08500, eq. 6, on features of a 3D network (Sun et al. 2022, HA-GAN)",
        needs=("volume_extractor",),
        parts={"means": Definition("what the distance of the two mean feature vectors alone contributes")},
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        real, synthetic = volume_vectors(evidence)
        return Measurement.between(
            evidence,
            frechet_between(real=real, synthetic=synthetic),
            lambda r, s: frechet_between(real=real[r], synthetic=synthetic[s]),
            table=lambda: vector_table(evidence, real=real, synthetic=synthetic),
            non_negative=True,
            parts={"means": float(np.square(real.mean(axis=0) - synthetic.mean(axis=0)).sum())},
            notes=notes_on_bias(min(len(real), len(synthetic)), "volumes", real.shape[1]),
        )
