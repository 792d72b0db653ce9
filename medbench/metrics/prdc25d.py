"""Precision, recall, density and coverage of synthetic slices among real ones, plane by plane.

The value is coverage, averaged over the planes: of the four it alone falls both where samples are implausible and
where kinds of anatomy are missing, it cannot be raised by crowding the same spot, and what two real sets score at the
same counts is known exactly. At most 32 slices of a volume are used; k = 5 nearest subjects (see ``prdc``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence, Side
from medbench.metrics.features import slices_by_subject
from medbench.metrics.functional.prdc import Prdc, RealSlices, expected_coverage, prdc
from medbench.spec import Plane
from medbench.statistics.resampling import NOT_ASKED, Interval, arcsine_interval, group_sizes, jackknifed

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 5
FIGURES = ("precision", "recall", "density", "coverage")


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
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        found = [_compare(plane, *sides) for plane in evidence.protocol.slices.planes]
        value, interval, table = float(np.mean([plane.figures.coverage for plane in found])), NOT_ASKED, None
        real, synthetic = (sorted(set(side.subjects)) for side in sides)
        if evidence.intervals:
            interval = _interval(value, found, real=real, synthetic=synthetic)
            table = _table(found, {"real": real, "synthetic": synthetic})
        n, m = len(real), len(synthetic)
        expected = expected_coverage(real=n, synthetic=m, k=NEAREST)
        return Measurement.of(
            value,
            interval,
            parts={plane.plane: {name: getattr(plane.figures, name) for name in FIGURES} for plane in found},
            table=table,
            notes=(f"{n} and {m} subjects of one population would score {expected:.3f} on average",),
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    """One plane; ``counts``: slices of each subject, by side."""

    plane: Plane
    figures: Prdc
    slices: RealSlices
    counts: Mapping[str, list[int]]


def _compare(plane: Plane, real: Side, synthetic: Side) -> _Comparison:
    reference, judged = ([*slices_by_subject(side, plane).values()] for side in (real, synthetic))
    figures, slices = prdc(real=reference, synthetic=judged, k=NEAREST)
    counts = {"real": [*map(len, reference)], "synthetic": [*map(len, judged)]}
    return _Comparison(plane, figures, slices, counts)


def _interval(
    value: float, planes: Sequence[_Comparison], *, real: Sequence[str], synthetic: Sequence[str]
) -> Interval:
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


def _table(planes: Sequence[_Comparison], subjects: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return shares of each subject's slices: inside a ball of the other side; reached by a synthetic slice."""
    import pandas as pd

    frames = []
    for found in planes:
        figures = found.figures
        flags = {
            "real": {"inside": figures.real_inside, "covered": figures.real_reached},
            "synthetic": {"inside": figures.synthetic_inside},
        }
        for side, counts in found.counts.items():
            starts = np.cumsum([0, *counts[:-1]])
            names = {"side": side, "subject": subjects[side], "plane": found.plane, "slices": counts}
            shares = {name: np.add.reduceat(flag.astype(float), starts) / counts for name, flag in flags[side].items()}
            frames.append(pd.DataFrame(names | shares))
    return pd.concat(frames, ignore_index=True)
