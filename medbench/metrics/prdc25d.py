"""Precision, recall, density and coverage of synthetic slices among real ones, plane by plane.

The value is coverage, averaged over the planes: of the four it alone falls both where samples are implausible and
where kinds of anatomy are missing, it cannot be raised by crowding the same spot, and what two real sets score at the
same counts is known exactly. At most 32 slices of a volume are used; k = 5 nearest subjects (see ``prdc``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.features import pooled_slices
from medbench.metrics.functional.prdc import Prdc, Sets, expected_coverage, prdc_of_sets
from medbench.metrics.together import Together
from medbench.records.results import Definition
from medbench.spec import Plane
from medbench.statistics.means import arcsine_interval
from medbench.statistics.resampling import (
    MOST_GROUPS,
    NOT_ASKED,
    Interval,
    Replicates,
    group_sizes,
)

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
        parts={
            "precision": Definition("share of synthetic slices that lie where real slices lie: realism", "0 to 1"),
            "recall": Definition("share of real slices that lie where synthetic slices lie: variety", "0 to 1"),
            "density": Definition("how many real neighbourhoods a synthetic slice lies in, over the number expected"),
            "coverage": Definition("share of real subjects that have a synthetic slice for a neighbour", "0 to 1"),
        },
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than six subjects on a side.
        """
        subjects = evidence.real.subjects, evidence.synthetic.subjects
        require_subjects(self.info, real=subjects[0], synthetic=subjects[1])
        found = {
            plane: evidence.shared(f"prdc25d {plane}", partial(_compare, plane, evidence))
            for plane in evidence.protocol.slices.planes
        }
        real, synthetic = (sorted(set(side)) for side in subjects)
        value, interval, table = float(np.mean([one.coverage for one in found.values()])), NOT_ASKED, None
        if evidence.intervals:
            interval = _interval(value, list(found.values()), real=real, synthetic=synthetic)
            table = _table(found, real=real, synthetic=synthetic)
        n, m = len(real), len(synthetic)
        expected = expected_coverage(real=n, synthetic=m, k=NEAREST)
        return Measurement.of(
            value,
            interval,
            parts={plane: {name: getattr(one, name) for name in FIGURES} for plane, one in found.items()},
            table=table,
            notes=(f"{n} and {m} subjects of one population would score {expected:.3f} on average",),
        )


def _compare(plane: Plane, evidence: Evidence, together: Together) -> list[Prdc]:
    """Compare all sets of volumes in one plane: one pass over the features, two over the pairs of slices."""
    compared = []
    for pair in together.pairs:
        groups: list[np.ndarray] = []
        if pair.intervals and _can_leave_out(group_sizes(together.owners[pair.real].tolist())):
            groups = [together.groups(places, MOST_GROUPS) for places in pair]
        compared.append(Sets(together.mask(pair.real), together.mask(pair.synthetic), *groups))
    return prdc_of_sets(pooled_slices(together, plane, evidence), together.owners, compared, k=NEAREST)


def _can_leave_out(sizes: np.ndarray) -> bool:
    """Say whether without any group enough real subjects stay for a ball."""
    return bool(sizes.sum() - sizes.max() > NEAREST)


def _interval(value: float, planes: Sequence[Prdc], *, real: Sequence[str], synthetic: Sequence[str]) -> Interval:
    if not _can_leave_out(group_sizes(real)):
        return Interval(None, f"absent: without a group of the {len(real)} real subjects, {NEAREST + 1} must stay")
    replicates = {
        name: Replicates(np.mean([one.coverage_without[name] for one in planes], axis=0), group_sizes(subjects))
        for name, subjects in (("real", real), ("synthetic", synthetic))
    }
    return arcsine_interval(value, **replicates)


def _table(planes: Mapping[Plane, Prdc], *, real: Sequence[str], synthetic: Sequence[str]) -> pd.DataFrame:
    """Return shares of each subject's slices: inside a ball of the other side; reached by a synthetic slice."""
    import pandas as pd

    frames = [
        pd.DataFrame({"side": side, "subject": subjects, "plane": plane, **shares})
        for plane, found in planes.items()
        for side, subjects, shares in (("real", real, found.real), ("synthetic", synthetic, found.synthetic))
    ]
    return pd.concat(frames, ignore_index=True)
