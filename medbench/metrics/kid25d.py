"""2.5D KID: the kernel distance of the features of 2D slices, plane by plane, averaged over the planes.

The kernel is that of the kernel inception distance; the estimate is unbiased at any number of slices and needs no
subsets. Pairs of slices of one subject take no part (see ``mmd``). At most 32 slices of a volume are used. Each pair of
slices is looked at once, for the value, its interval, all splits of the floor and the parts of the training split.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.features import by_plane, pooled_slices
from medbench.metrics.functional.mmd import KernelSums, VolumeSums, cubic_kernel, sums_with_sets
from medbench.metrics.together import Pair, Together
from medbench.spec import Plane
from medbench.statistics.resampling import MOST_GROUPS

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
        parts=by_plane("the same distance"),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: the extractor's weights are not here, or features are not finite.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        subjects = evidence.real.subjects, evidence.synthetic.subjects
        require_subjects(self.info, real=subjects[0], synthetic=subjects[1])
        found = {
            plane: evidence.shared(f"kid25d {plane}", partial(_compare, plane, evidence))
            for plane in evidence.protocol.slices.planes
        }
        parts = {plane: one.sums.mmd2() for plane, one in found.items()}
        return Measurement.between(
            evidence,
            float(np.mean(list(parts.values()))),
            lambda r, s: float(np.mean([one.sums.mmd2(r, s) for one in found.values()])),
            table=lambda: _table(found, evidence),
            non_negative=False,
            by_group=True,
            parts=parts,
        )


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What one comparison gives in one plane.

    Args:
        sums: between groups of subjects.
        columns: beside an interval, the table's numbers of each subject, by side.
    """

    sums: KernelSums
    columns: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


def _compare(plane: Plane, evidence: Evidence, together: Together) -> list[_Comparison]:
    """Compare all sets of volumes in one plane: one pass over the features, one over the pairs of slices."""
    groups = [
        together.groups(places, MOST_GROUPS if pair.intervals else 1) for pair in together.pairs for places in pair
    ]
    ends = np.cumsum([0, *map(len, groups)])
    at = [slice(start, end) for start, end in itertools.pairwise(ends)]
    volumes = pooled_slices(together, plane, evidence)
    sums = sums_with_sets(cubic_kernel, volumes, together.owners, np.concatenate(groups))
    found = []
    for turn, pair in enumerate(together.pairs):
        real, synthetic = 2 * turn, 2 * turn + 1
        of_pair = KernelSums.between(sums, groups[real], groups[synthetic], at=(at[real], at[synthetic]))
        columns = _columns(sums, pair, at[real], at[synthetic]) if pair.intervals else {}
        found.append(_Comparison(of_pair, columns))
    return found


def _columns(sums: VolumeSums, pair: Pair, real: slice, synthetic: slice) -> dict[str, dict[str, np.ndarray]]:
    """Return the mean kernel of each subject's slices with those of all other subjects of either side."""
    with_real, with_synthetic = (sums.with_sets[:, at].sum(axis=1) for at in (real, synthetic))
    rows = {"real": sums.rows[pair.real], "synthetic": sums.rows[pair.synthetic]}
    found = {}
    for name, places, own, other, other_side in (
        ("real", pair.real, with_real, with_synthetic, "synthetic"),
        ("synthetic", pair.synthetic, with_synthetic, with_real, "real"),
    ):
        _, subject = np.unique(sums.owners[places], return_inverse=True)
        slices = np.bincount(subject, weights=rows[name])
        found[name] = {
            "slices": slices.astype(int),
            "kernel_with_own_side": np.bincount(subject, weights=own[places]) / (slices * (slices.sum() - slices)),
            "kernel_with_other_side": np.bincount(subject, weights=other[places]) / (slices * rows[other_side].sum()),
        }
    return found


def _table(planes: Mapping[Plane, _Comparison], evidence: Evidence) -> pd.DataFrame:
    """Return one row a subject and plane."""
    import pandas as pd

    subjects = {"real": sorted(set(evidence.real.subjects)), "synthetic": sorted(set(evidence.synthetic.subjects))}
    frames = [
        pd.DataFrame({"side": name, "subject": subjects[name], "plane": plane, **columns})
        for plane, one in planes.items()
        for name, columns in one.columns.items()
    ]
    return pd.concat(frames, ignore_index=True)
