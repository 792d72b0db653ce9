"""Fréchet distance of volume features: one vector a volume, so that through-plane anatomy counts.

A few dozen volumes in hundreds of dimensions bias the distance upwards by far more than generators differ: read it
beside its floor at the same counts, and beside ``mmd3d``, which has no such bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Evidence, Measurement, MetricInfo, Side, require_subjects
from medbench.metrics.frechet import FeatureStatistics, frechet_distance
from medbench.metrics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    jackknife_interval,
    too_few,
)

if TYPE_CHECKING:
    import pandas as pd


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


def volume_vectors(side: Side) -> np.ndarray:
    """Return the features of a side's volumes, (volumes, d) float64.

    Raises:
        Unavailable: the extractor's weights are not here, or features are not finite.
    """
    vectors = np.array(list(side.volume_features()), dtype=np.float64)
    for volume, vector in zip(side.ids, vectors):
        if not np.all(np.isfinite(vector)):
            raise Unavailable(f"the features of {volume} are not finite: look at that volume and at the weights")
    return vectors


def vector_table(real_side: Side, synthetic_side: Side, *, real: np.ndarray, synthetic: np.ndarray) -> pd.DataFrame:
    """Return one row a volume: how far it lies from the mean of the real volumes, and from the nearest other one.

    Args:
        real_side: gives the ids and subjects of the real rows.
        synthetic_side: likewise.
        real: (n, d) features; n of at least two.
        synthetic: (m, d) likewise.
    """
    import pandas as pd
    from scipy.spatial.distance import cdist

    frames = []
    for name, side, rows in (("real", real_side, real), ("synthetic", synthetic_side, synthetic)):
        nearest = cdist(rows, real)
        if rows is real:
            np.fill_diagonal(nearest, np.inf)
        frames.append(
            pd.DataFrame(
                {
                    "side": name,
                    "id": list(side.ids),
                    "subject": list(side.subjects),
                    "distance_to_real_mean": np.linalg.norm(rows - real.mean(axis=0), axis=1),
                    "distance_to_nearest_real": nearest.min(axis=1),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


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
