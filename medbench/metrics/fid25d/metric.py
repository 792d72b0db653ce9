"""2.5D FID: the Fréchet distance of the features of 2D slices, plane by plane, averaged over the planes.

Slices of all volumes are pooled within a plane, as MAISI's public script does; what the features are is the
protocol's matter. Features are read once for the value, its interval, all splits of the floor and the parts of the
training split. Memory, a plane at a time: d x d float64 for each group of the interval, G a side, again as many while
they are left out, and one for each of S splits and P parts, with rows that wait to be summed up:
(3.5 · G + 1.25 · (S + P) + 8) · d² · 8 bytes, and d numbers a volume. That is at most 12 MB for d = 120 (G = 20,
S = P = 10) and 2.3 GB for d = 2048 (G = 10).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence, volume_table
from medbench.metrics.features import by_plane, finite_features, notes_on_bias
from medbench.metrics.fid25d.figure import draw
from medbench.metrics.functional.frechet import (
    FeatureStatistics,
    frechet_distance,
    merged,
    quick_distance,
    without_each,
)
from medbench.metrics.functional.pooling import SetStatistics, set_statistics
from medbench.metrics.together import Pair, Together
from medbench.spec import Plane
from medbench.statistics.resampling import (
    MOST_GROUPS,
    NOT_ASKED,
    Replicates,
    group_sizes,
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
        parts=by_plane("the same distance"),
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
        real, synthetic = evidence.real.subjects, evidence.synthetic.subjects
        require_subjects(self.info, real=real, synthetic=synthetic)
        progress = evidence.workspace.progress
        found = {
            plane: evidence.shared(f"fid25d {plane}", partial(_compare, plane, progress))
            for plane in evidence.protocol.slices.planes
        }
        parts = {plane: one.distance for plane, one in found.items()}
        value = float(np.mean(list(parts.values())))
        first, *_ = found.values()
        notes = notes_on_bias(min(one.slices for one in found.values()), "slices", first.dimension)
        if not evidence.intervals:
            return Measurement.of(value, NOT_ASKED, parts=parts, notes=notes)
        means = {
            side: Replicates(np.mean([one.replicates[side].values for one in found.values()], axis=0), replicates.sizes)
            for side, replicates in first.replicates.items()
        }
        return Measurement.of(
            value,
            too_few(real, synthetic) or jackknife_interval(value, **means, non_negative=True),
            parts=parts,
            table=_table(found, evidence),
            notes=notes,
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What one comparison gives in one plane; counts and distances of each volume, real ones first, for the table."""

    distance: float
    slices: int
    dimension: int
    replicates: Mapping[str, Replicates] = field(default_factory=dict)
    counts: tuple[np.ndarray, ...] = ()
    to_real_mean: tuple[np.ndarray, ...] = ()


def _compare(plane: Plane, progress: Progress, together: Together) -> list[_Comparison]:
    """Compare all sets of volumes in one plane: one pass over the features."""
    volumes = itertools.chain.from_iterable(finite_features(side, plane) for side in together.pool)
    first = next(volumes)
    most = MOST_GROUPS if first.shape[1] <= _WIDE else _MOST_GROUPS_WIDE
    # Where intervals are wanted a set is the sum of its groups, each of which is left out once.
    parts = [[together.groups(places, most if pair.intervals else 1) for places in pair] for pair in together.pairs]
    index = {mask.tobytes(): mask for pair in parts for side in pair for mask in side}
    statistics = set_statistics(itertools.chain([first], volumes), np.array(list(index.values())), together.side_of)
    place = {name: number for number, name in enumerate(index)}
    found = []
    for pair, masks in zip(together.pairs, parts):
        groups = [[statistics.of(place[mask.tobytes()]) for mask in side] for side in masks]
        if pair.intervals:
            found.append(_with_intervals(pair, together, groups, statistics, progress, plane))
        else:
            (real,), (synthetic,) = groups
            found.append(_value(real, synthetic))
    return found


def _value(real: FeatureStatistics, synthetic: FeatureStatistics) -> _Comparison:
    slices = min(real.count, synthetic.count)
    return _Comparison(frechet_distance(real, synthetic), slices, len(real.mean))


def _with_intervals(
    pair: Pair,
    together: Together,
    groups: Sequence[Sequence[FeatureStatistics]],
    statistics: SetStatistics,
    progress: Progress,
    plane: Plane,
) -> _Comparison:
    real, synthetic = (merged(side) for side in groups)
    subjects = [together.owners[places].tolist() for places in pair]
    replicates = {}
    if too_few(*subjects) is None:
        replicates = {
            name: Replicates(
                _without_each(parts, fixed, progress, task=f"fid25d of {plane} without parts of {name}"),
                group_sizes(owners, most=len(parts)),
            )
            for name, parts, fixed, owners in zip(("real", "synthetic"), groups, (synthetic, real), subjects)
        }
    return replace(
        _value(real, synthetic),
        replicates=replicates,
        counts=tuple(statistics.counts[places] for places in pair),
        to_real_mean=tuple(np.linalg.norm(statistics.means[places] - real.mean, axis=1) for places in pair),
    )


def _without_each(
    groups: Sequence[FeatureStatistics], fixed: FeatureStatistics, progress: Progress, *, task: str
) -> np.ndarray:
    """Leave one group of subjects out after another; told as progress where features are many and it takes long."""
    each = without_each(groups)
    if len(fixed.mean) > _WIDE:
        each = progress.track(each, task=task, total=len(groups))
    return np.array([quick_distance(rest, fixed) for rest in each])


def _table(planes: Mapping[Plane, _Comparison], evidence: Evidence) -> pd.DataFrame:
    """Return one row a volume and plane."""
    sides = ("real", evidence.real), ("synthetic", evidence.synthetic)
    return volume_table(
        (name, side, {"plane": plane, "slices": counts, "distance_to_real_mean": distances})
        for plane, one in planes.items()
        for (name, side), counts, distances in zip(sides, one.counts, one.to_real_mean)
    )
