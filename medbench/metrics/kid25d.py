"""2.5D KID: the kernel distance of the features of 2D slices, plane by plane, averaged over the planes.

The kernel is that of the kernel inception distance; the estimate is unbiased at any number of slices and needs no
subsets. Pairs of slices of one subject take no part (see ``mmd``). At most 32 slices of a volume are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Evidence, Measurement, MetricInfo, Side, require_subjects
from medbench.metrics.features import SliceSet, slice_set
from medbench.metrics.functional.mmd import KernelSums, cubic_kernel
from medbench.spec import Plane
from medbench.statistics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    jackknife_interval,
    too_few,
)

if TYPE_CHECKING:
    import pandas as pd


class Kid25d:
    """Mean over planes of the squared MMD between the slice features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="kid25d",
        version="1",
        summary="unbiased kernel distance between features of real and synthetic 2D slices, averaged over the planes",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Bińkowski et al. 2018, arXiv:1801.01401, section 4; pairs within a subject left out",
        needs=("slices", "extractor"),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        real, synthetic = evidence.real, evidence.synthetic
        require_subjects(self.info, real=real.subjects, synthetic=synthetic.subjects)
        planes = evidence.protocol.slices.planes
        found = [_compare(plane, real=real, synthetic=synthetic) for plane in planes]
        parts: dict[str, float | Mapping[str, float]] = {plane.plane: plane.sums.mmd2() for plane in found}
        value = float(np.mean([plane.sums.mmd2() for plane in found]))
        interval, replicates = _interval(value, found) if evidence.intervals else (NOT_ASKED, {})
        table = _table(found) if evidence.intervals else None
        return Measurement(value, interval.ends, interval.method, parts, table, replicates=replicates)


@dataclass(frozen=True, eq=False)
class _Comparison:
    plane: Plane
    sums: KernelSums
    real: Sequence[str]
    synthetic: Sequence[str]


def _compare(plane: Plane, *, real: Side, synthetic: Side) -> _Comparison:
    sets: list[SliceSet] = [slice_set(side, plane) for side in (real, synthetic)]
    sums = KernelSums.of(cubic_kernel, real=sets[0].rows, synthetic=sets[1].rows)
    return _Comparison(plane, sums, sets[0].subjects, sets[1].subjects)


def _interval(value: float, planes: Sequence[_Comparison]) -> tuple[Interval, dict[str, Replicates]]:
    real, synthetic = planes[0].real, planes[0].synthetic
    absent = too_few(real, synthetic)
    if absent is not None:
        return absent, {}
    replicates = {
        "real": delete_each_group(
            lambda stay: float(np.mean([plane.sums.mmd2(real_stay=stay) for plane in planes])), real
        ),
        "synthetic": delete_each_group(
            lambda stay: float(np.mean([plane.sums.mmd2(synthetic_stay=stay) for plane in planes])), synthetic
        ),
    }
    return jackknife_interval(value, **replicates, non_negative=False), replicates


def _table(planes: Sequence[_Comparison]) -> pd.DataFrame:
    """Return the mean kernel of each subject's slices with those of all other subjects, one row a subject and plane."""
    import pandas as pd

    rows = []
    for found in planes:
        sums = found.sums
        for side, subjects, counts, within, across, others in (
            ("real", found.real, sums.real_rows, sums.real, sums.cross, sums.synthetic_rows),
            ("synthetic", found.synthetic, sums.synthetic_rows, sums.synthetic, sums.cross.T, sums.real_rows),
        ):
            own_side = (within.sum(axis=1) - np.diag(within)) / (counts * (counts.sum() - counts))
            other_side = across.sum(axis=1) / (counts * others.sum())
            rows += [
                {
                    "side": side,
                    "subject": subject,
                    "plane": found.plane,
                    "slices": count,
                    "kernel_with_own_side": own,
                    "kernel_with_other_side": other,
                }
                for subject, count, own, other in zip(subjects, counts.tolist(), own_side, other_side)
            ]
    return pd.DataFrame(rows)
