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
from medbench.metrics.evidence import Evidence, Side, volume_table
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
        progress = evidence.workspace.progress if absent is None else None
        found = {plane: _compare(plane, real, synthetic, progress) for plane in evidence.protocol.slices.planes}
        parts = {plane: one.distance for plane, one in found.items()}
        value = float(np.mean(list(parts.values())))
        first, *_ = found.values()
        means = {
            side: Replicates(np.mean([one.replicates[side].values for one in found.values()], axis=0), replicates.sizes)
            for side, replicates in first.replicates.items()
        }
        return Measurement.of(
            value,
            absent or jackknife_interval(value, **means, non_negative=True),
            parts=parts,
            table=volume_table(rows for one in found.values() for rows in one.rows),
            notes=notes_on_bias(min(one.slices for one in found.values()), "slices", first.dimension),
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
    rows: Sequence[tuple[str, Side, Mapping[str, object]]]
    slices: int
    dimension: int


def _compare(plane: Plane, real: Side, synthetic: Side, progress: Progress | None) -> _Comparison:
    pooled = {"real": _pool(real, plane), "synthetic": _pool(synthetic, plane)}
    all_real, all_synthetic = (merged(side.groups) for side in pooled.values())
    rows = []
    for (name, one), side in zip(pooled.items(), (real, synthetic)):
        distances = [float(np.linalg.norm(mean - all_real.mean)) for mean in one.means]
        rows.append((name, side, {"plane": plane, "slices": one.slices, "distance_to_real_mean": distances}))
    replicates = {}
    if progress is not None:
        replicates = {
            name: _replicates(pooled[name], fixed, progress, task=f"fid25d of {plane} without parts of {name}")
            for name, fixed in (("real", all_synthetic), ("synthetic", all_real))
        }
    distance, slices = frechet_distance(all_real, all_synthetic), min(all_real.count, all_synthetic.count)
    return _Comparison(distance, replicates, rows, slices, len(all_real.mean))


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
    sizes = group_sizes(side.subjects, most=most)
    return _Pooled([groups[group] for group in sorted(groups)], sizes, np.array(means), slices)
