"""2.5D FID: the Fréchet distance of the features of 2D slices, plane by plane, averaged over the planes.

Slices of all volumes are pooled within a plane, as MAISI's public script does; what the features are is the
protocol's matter. Memory: two sides of at most G groups of d x d float64, a plane at a time: 2 · G · d² · 8 bytes,
whatever the number of volumes, and for the interval one side once more. That is 7 MB for d = 120 (G = 20) and 1 GB for
d = 2048 (G = 10).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence, Side
from medbench.metrics.features import finite_features, notes_on_bias
from medbench.metrics.fid25d.figure import draw
from medbench.metrics.functional.frechet import (
    FeatureStatistics,
    frechet_distance,
    merged,
    quick_distance,
    without_each,
)
from medbench.spec import Plane
from medbench.statistics.resampling import (
    MOST_GROUPS,
    NOT_ASKED,
    Replicates,
    group_sizes,
    groups_of,
    jackknife_interval,
    too_few,
)

if TYPE_CHECKING:
    import pandas as pd

    from medbench.progress import Progress

_WIDE = 512
_MOST_GROUPS_WIDE = 10


class Fid25d:
    """Mean over planes of the Fréchet distance between the slice features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="fid25d",
        version="1",
        summary="Fréchet distance between the features of real and synthetic 2D slices, averaged over the planes",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Heusel et al. 2017, arXiv:1706.08500, eq. 6; planes as MAISI's compute_fid_2-5d_ct.py (commit b3c6c99)",
        needs=("slices", "extractor"),
        figures=(
            Figure(
                name="planes",
                caption="Fréchet distance in each plane and their mean, beside what real volumes score against real "
                "ones.",
                alt="Dot plot of fid25d by plane with interval and floor; the numbers are in the table of fid25d",
                draw=draw,
            ),
        ),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        real, synthetic = evidence.real, evidence.synthetic
        require_subjects(self.info, real=real.subjects, synthetic=synthetic.subjects)
        absent = too_few(real.subjects, synthetic.subjects) if evidence.intervals else NOT_ASKED
        planes = evidence.protocol.slices.planes
        progress = evidence.workspace.progress if absent is None else None
        found = [_compare(plane, real=real, synthetic=synthetic, progress=progress) for plane in planes]
        value = float(np.mean([plane.distance for plane in found]))
        return Measurement.of(
            value,
            absent or jackknife_interval(value, **_means(found), non_negative=True),
            parts={plane: comparison.distance for plane, comparison in zip(planes, found)},
            table=_table(found),
            notes=notes_on_bias(min(plane.slices for plane in found), "slices", found[0].dimension),
        )


@dataclass(frozen=True, eq=False)
class _Pooled:
    """One side's slices in one plane: statistics by group of subjects, and each volume's share."""

    groups: list[FeatureStatistics]
    sizes: np.ndarray
    means: np.ndarray
    slices: list[int]


@dataclass(frozen=True, eq=False)
class _Comparison:
    distance: float
    replicates: Mapping[str, Replicates]
    rows: list[dict[str, object]]
    slices: int
    dimension: int


def _compare(plane: Plane, *, real: Side, synthetic: Side, progress: Progress | None) -> _Comparison:
    reference, judged = _pool(real, plane), _pool(synthetic, plane)
    all_real, all_judged = merged(reference.groups), merged(judged.groups)
    rows = [
        {
            "side": name,
            "id": volume,
            "subject": subject,
            "plane": plane,
            "slices": slices,
            "distance_to_real_mean": float(np.linalg.norm(mean - all_real.mean)),
        }
        for name, side, pooled in (("real", real, reference), ("synthetic", synthetic, judged))
        for volume, subject, slices, mean in zip(side.ids, side.subjects, pooled.slices, pooled.means)
    ]
    replicates = {}
    if progress is not None:
        task = f"fid25d of {plane} without parts of"
        replicates = {
            "real": _replicates(reference, all_judged, progress, task=f"{task} real"),
            "synthetic": _replicates(judged, all_real, progress, task=f"{task} synthetic"),
        }
    return _Comparison(
        distance=frechet_distance(all_real, all_judged),
        replicates=replicates,
        rows=rows,
        slices=min(all_real.count, all_judged.count),
        dimension=len(all_real.mean),
    )


def _replicates(varied: _Pooled, fixed: FeatureStatistics, progress: Progress, *, task: str) -> Replicates:
    """Leave one group of subjects out after another; told as progress where features are many and it takes long."""
    each = without_each(varied.groups)
    if len(fixed.mean) > _WIDE:
        each = progress.track(each, task=task, total=len(varied.groups))
    return Replicates(np.array([quick_distance(rest, fixed) for rest in each]), varied.sizes)


def _pool(side: Side, plane: Plane) -> _Pooled:
    stream = finite_features(side, plane)
    first = next(stream)
    most = MOST_GROUPS if first.shape[1] <= _WIDE else _MOST_GROUPS_WIDE
    groups: dict[int, FeatureStatistics] = {}
    means, slices = [], []
    for group, features in zip(groups_of(side.subjects, most=most), itertools.chain([first], stream)):
        statistics = FeatureStatistics.of(features)
        groups[group] = groups[group].merge(statistics) if group in groups else statistics
        means.append(statistics.mean)
        slices.append(statistics.count)
    return _Pooled(
        [groups[group] for group in sorted(groups)], group_sizes(side.subjects, most=most), np.array(means), slices
    )


def _means(planes: Sequence[_Comparison]) -> dict[str, Replicates]:
    """Return the replicates of the mean over planes."""
    return {
        side: Replicates(np.mean([plane.replicates[side].values for plane in planes], axis=0), first.sizes)
        for side, first in planes[0].replicates.items()
    }


def _table(planes: Sequence[_Comparison]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([row for plane in planes for row in plane.rows])
