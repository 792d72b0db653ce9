"""Fréchet distance of volume features: one vector a volume, so that through-plane anatomy counts.

A few dozen volumes in hundreds of dimensions bias the distance upwards by far more than generators differ: read it
beside its floor at the same counts, and beside ``mmd3d``, which has no such bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from medbench.metrics.base import Evidence, Measurement, MetricInfo, Side, require_subjects
from medbench.metrics.features import vector_table, volume_vectors
from medbench.metrics.functional.frechet import FeatureStatistics, frechet_distance
from medbench.statistics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    jackknife_interval,
    too_few,
)


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
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        real, synthetic = (volume_vectors(side) for side in sides)
        statistics = FeatureStatistics.of(real), FeatureStatistics.of(synthetic)
        value = frechet_distance(*statistics)
        interval: Interval = NOT_ASKED
        replicates: dict[str, Replicates] = {}
        if evidence.intervals:
            interval, replicates = _interval(value, real=real, synthetic=synthetic, sides=sides)
        return Measurement(
            value,
            interval.ends,
            interval.method,
            parts={"means": float(np.square(statistics[0].mean - statistics[1].mean).sum())},
            table=vector_table(*sides, real=real, synthetic=synthetic) if evidence.intervals else None,
            notes=_notes(min(len(real), len(synthetic)), real.shape[1]),
            replicates=replicates,
        )


def _interval(
    value: float, *, real: np.ndarray, synthetic: np.ndarray, sides: Sequence[Side]
) -> tuple[Interval, dict[str, Replicates]]:
    subjects = sides[0].subjects, sides[1].subjects
    absent = too_few(*subjects)
    if absent is not None:
        return absent, {}
    all_real, all_synthetic = FeatureStatistics.of(real), FeatureStatistics.of(synthetic)
    replicates = {
        "real": delete_each_group(
            lambda stay: frechet_distance(FeatureStatistics.of(real[stay]), all_synthetic), subjects[0]
        ),
        "synthetic": delete_each_group(
            lambda stay: frechet_distance(all_real, FeatureStatistics.of(synthetic[stay])), subjects[1]
        ),
    }
    return jackknife_interval(value, **replicates, non_negative=True), replicates


def _notes(fewest: int, dimension: int) -> tuple[str, ...]:
    if fewest > dimension:
        return ()
    return (f"{fewest} volumes in {dimension} dimensions bias the distance upwards: compare at equal counts only",)
