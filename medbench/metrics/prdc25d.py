"""Precision, recall, density and coverage of synthetic slices among real ones, plane by plane.

The value is coverage, averaged over the planes: of the four it alone falls both where samples are implausible and
where kinds of anatomy are missing, it cannot be raised by crowding the same spot, and what two real sets score at the
same counts is known exactly. At most 32 slices of a volume are used; k = 5 nearest subjects (see ``prdc``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Evidence, Measurement, MetricInfo, Side, require_subjects
from medbench.metrics.features import SliceSet, slice_set
from medbench.metrics.functional.prdc import Prdc, RealSlices, expected_coverage, prdc
from medbench.spec import Plane
from medbench.statistics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    group_sizes,
    jackknife_interval,
    too_few,
)

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 5


class Prdc25d:
    """Coverage of the real slices by the synthetic ones, with precision, recall and density beside it."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="prdc25d",
        version="1",
        summary="share of real 2D slices that synthetic ones come near to (coverage), averaged over the planes",
        better="higher",
        unit=None,
        min_real=NEAREST + 1,
        min_synthetic=NEAREST + 1,
        source="Naeem et al. 2020, arXiv:2002.09797; Kynkäänniemi et al. 2019, arXiv:1904.06991; by nearest subjects",
        needs=("slices", "extractor"),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than six subjects on a side.
        """
        real, synthetic = evidence.real, evidence.synthetic
        require_subjects(self.info, real=real.subjects, synthetic=synthetic.subjects)
        found = [_compare(plane, real=real, synthetic=synthetic) for plane in evidence.protocol.slices.planes]
        value = float(np.mean([plane.figures.coverage for plane in found]))
        interval, replicates = _interval(value, found) if evidence.intervals else (NOT_ASKED, {})
        n, m = len(found[0].real.subjects), len(found[0].synthetic.subjects)
        expected = expected_coverage(real=n, synthetic=m, k=NEAREST)
        return Measurement(
            value,
            interval.ends,
            interval.method,
            {plane.plane: _parts(plane.figures) for plane in found},
            _table(found) if evidence.intervals else None,
            notes=(f"{n} and {m} subjects of one population would score {expected:.3f} on average",),
            replicates=replicates,
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    plane: Plane
    figures: Prdc
    slices: RealSlices
    real: SliceSet
    synthetic: SliceSet


def _compare(plane: Plane, *, real: Side, synthetic: Side) -> _Comparison:
    reference, judged = slice_set(real, plane), slice_set(synthetic, plane)
    figures, slices = prdc(real=reference.rows, synthetic=judged.rows, k=NEAREST)
    return _Comparison(plane, figures, slices, reference, judged)


def _parts(figures: Prdc) -> dict[str, float]:
    return {name: getattr(figures, name) for name in ("precision", "recall", "density", "coverage")}


def _interval(value: float, planes: Sequence[_Comparison]) -> tuple[Interval, dict[str, Replicates]]:
    real, synthetic = planes[0].real.subjects, planes[0].synthetic.subjects
    absent = too_few(real, synthetic)
    if absent is not None:
        return absent, {}
    if len(real) - group_sizes(real).max() <= NEAREST:
        return Interval(None, f"absent: without a group of the {len(real)} real subjects, {NEAREST + 1} must stay"), {}
    replicates = {
        "real": delete_each_group(
            lambda stay: float(np.mean([plane.slices.coverage(NEAREST, real_stay=stay) for plane in planes])), real
        ),
        "synthetic": delete_each_group(
            lambda stay: float(np.mean([plane.slices.coverage(NEAREST, synthetic_stay=stay) for plane in planes])),
            synthetic,
        ),
    }
    return arcsine_interval(value, **replicates), replicates


def arcsine_interval(value: float, *, real: Replicates, synthetic: Replicates) -> Interval:
    """Return a jackknife interval made on the scale of arcsin √value, where the spread of a share is even.

    On its own scale the interval of a share near 0 or 1 covers too seldom. At 0 and 1 themselves leaving subjects out
    changes nothing, and there is none.

    Args:
        value: a share, in 0..1.
        real: replicates without one group of real subjects after another.
        synthetic: likewise on the other side.
    """
    if value in (0.0, 1.0):
        return Interval(None, f"absent: at a share of {value:.0f}, leaving subjects out does not show its spread")
    scaled = [Replicates(_arcsine(side.values), side.sizes) for side in (real, synthetic)]
    found = jackknife_interval(float(_arcsine(value)), real=scaled[0], synthetic=scaled[1], non_negative=True)
    assert found.ends is not None  # both sides have groups
    low, high = (float(np.sin(min(end, np.pi / 2)) ** 2) for end in found.ends)
    method = f"delete-a-group jackknife over subjects on the arcsine scale, {len(real.sizes)} real and "
    return Interval((low, high), f"{method}{len(synthetic.sizes)} synthetic groups, t quantile")


def _arcsine(share: float | np.ndarray) -> np.ndarray:
    scaled: np.ndarray = np.arcsin(np.sqrt(share))
    return scaled


def _table(planes: Sequence[_Comparison]) -> pd.DataFrame:
    """Return shares of each subject's slices: inside a ball of the other side; reached by a synthetic slice."""
    import pandas as pd

    frames = []
    for found in planes:
        figures = found.figures
        columns = {
            "real": (found.real, {"inside": figures.real_inside, "covered": figures.real_reached}),
            "synthetic": (found.synthetic, {"inside": figures.synthetic_inside}),
        }
        for side, (slices, flags) in columns.items():
            counts = slices.counts
            starts = np.cumsum([0, *counts[:-1]])
            shares = {name: np.add.reduceat(flag.astype(float), starts) / counts for name, flag in flags.items()}
            names = {"side": side, "subject": list(slices.subjects), "plane": found.plane, "slices": counts}
            frames.append(pd.DataFrame(names | shares))
    return pd.concat(frames, ignore_index=True)
