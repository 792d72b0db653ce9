"""Precision, recall, density and coverage of synthetic slices among real ones, plane by plane.

The value is coverage, averaged over the planes: of the four it alone falls both where samples are implausible and
where kinds of anatomy are missing, it cannot be raised by crowding the same spot, and what two real sets score at the
same counts is known exactly. At most 32 slices of a volume are used; k = 5 nearest subjects (see ``prdc``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
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
        real, synthetic = (sorted(set(side.subjects)) for side in sides)
        figures, slices = {}, []
        for plane in evidence.protocol.slices.planes:
            reference, judged = (slices_by_subject(side, plane) for side in sides)
            figures[plane], of_plane = prdc(real=reference, synthetic=judged, k=NEAREST)
            slices.append(of_plane)
        value, interval, table = float(np.mean([one.coverage for one in figures.values()])), NOT_ASKED, None
        if evidence.intervals:
            interval = _interval(value, slices, real=real, synthetic=synthetic)
            table = _table(figures, real=real, synthetic=synthetic)
        n, m = len(real), len(synthetic)
        expected = expected_coverage(real=n, synthetic=m, k=NEAREST)
        return Measurement.of(
            value,
            interval,
            parts={plane: {name: getattr(one, name) for name in FIGURES} for plane, one in figures.items()},
            table=table,
            notes=(f"{n} and {m} subjects of one population would score {expected:.3f} on average",),
        )


def _interval(value: float, planes: Sequence[RealSlices], *, real: Sequence[str], synthetic: Sequence[str]) -> Interval:
    if len(real) - group_sizes(real).max() <= NEAREST:
        return Interval(None, f"absent: without a group of the {len(real)} real subjects, {NEAREST + 1} must stay")
    found = jackknifed(
        value,
        lambda r, s: float(np.mean([slices.coverage(NEAREST, r, s) for slices in planes])),
        real=real,
        synthetic=synthetic,
        non_negative=True,
    )
    return arcsine_interval(value, **found.replicates)


def _table(planes: Mapping[Plane, Prdc], *, real: Sequence[str], synthetic: Sequence[str]) -> pd.DataFrame:
    """Return shares of each subject's slices: inside a ball of the other side; reached by a synthetic slice."""
    import pandas as pd

    frames = [
        pd.DataFrame({"side": side, "subject": subjects, "plane": plane, **shares})
        for plane, found in planes.items()
        for side, subjects, shares in (("real", real, found.real), ("synthetic", synthetic, found.synthetic))
    ]
    return pd.concat(frames, ignore_index=True)
