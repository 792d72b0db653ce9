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
from medbench.metrics.features import BySubject, slices_by_subject
from medbench.metrics.functional.prdc import Prdc, RealSlices, expected_coverage, prdc
from medbench.spec import Plane
from medbench.statistics.resampling import NOT_ASKED, Interval, arcsine_interval, group_sizes, jackknifed

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 5


class Prdc25d:
    """Coverage of the real slices by the synthetic ones, with precision, recall and density beside it."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="prdc25d",
        version="1",
        summary="mean over planes of the share of real 2D slices that synthetic ones come near to (coverage)",
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
        n, m = len(found[0].real.subjects), len(found[0].synthetic.subjects)
        expected = expected_coverage(real=n, synthetic=m, k=NEAREST)
        return Measurement.of(
            value,
            _interval(value, found) if evidence.intervals else NOT_ASKED,
            parts={plane.plane: _parts(plane.figures) for plane in found},
            table=_table(found) if evidence.intervals else None,
            notes=(f"{n} and {m} subjects of one population would score {expected:.3f} on average",),
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    plane: Plane
    figures: Prdc
    slices: RealSlices
    real: BySubject
    synthetic: BySubject


def _compare(plane: Plane, *, real: Side, synthetic: Side) -> _Comparison:
    reference, judged = slices_by_subject(real, plane), slices_by_subject(synthetic, plane)
    figures, slices = prdc(real=reference.rows, synthetic=judged.rows, k=NEAREST)
    return _Comparison(plane, figures, slices, reference, judged)


def _parts(figures: Prdc) -> dict[str, float]:
    return {name: getattr(figures, name) for name in ("precision", "recall", "density", "coverage")}


def _interval(value: float, planes: Sequence[_Comparison]) -> Interval:
    real, synthetic = planes[0].real.subjects, planes[0].synthetic.subjects
    if len(real) - group_sizes(real).max() <= NEAREST:
        return Interval(None, f"absent: without a group of the {len(real)} real subjects, {NEAREST + 1} must stay")
    found = jackknifed(
        value,
        lambda r, s: float(np.mean([plane.slices.coverage(NEAREST, r, s) for plane in planes])),
        real=real,
        synthetic=synthetic,
        non_negative=True,
    )
    return arcsine_interval(value, **found.replicates)


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
