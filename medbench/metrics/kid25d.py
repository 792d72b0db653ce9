"""2.5D KID: the kernel distance of the features of 2D slices, plane by plane, averaged over the planes.

The kernel is that of the kernel inception distance; the estimate is unbiased at any number of slices and needs no
subsets. Pairs of slices of one subject take no part (see ``mmd``). At most 32 slices of a volume are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.features import slices_by_subject
from medbench.metrics.functional.mmd import KernelSums, cubic_kernel
from medbench.spec import Plane

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
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        sums = {}
        for plane in evidence.protocol.slices.planes:
            real, synthetic = (slices_by_subject(side, plane) for side in (evidence.real, evidence.synthetic))
            sums[plane] = KernelSums.of(cubic_kernel, real=real, synthetic=synthetic)
        parts = {plane: of_plane.mmd2() for plane, of_plane in sums.items()}
        return Measurement.between(
            evidence,
            float(np.mean(list(parts.values()))),
            lambda r, s: float(np.mean([of_plane.mmd2(r, s) for of_plane in sums.values()])),
            table=lambda: _table(sums, evidence),
            non_negative=False,
            by_subject=True,
            parts=parts,
        )


def _table(planes: Mapping[Plane, KernelSums], evidence: Evidence) -> pd.DataFrame:
    """Return the mean kernel of each subject's slices with those of all other subjects, one row a subject and plane."""
    import pandas as pd

    frames = []
    real, synthetic = (sorted(set(side.subjects)) for side in (evidence.real, evidence.synthetic))
    for plane, sums in planes.items():
        for side, subjects, counts, within, across, others in (
            ("real", real, sums.real_rows, sums.real, sums.cross, sums.synthetic_rows),
            ("synthetic", synthetic, sums.synthetic_rows, sums.synthetic, sums.cross.T, sums.real_rows),
        ):
            columns = {
                "side": side,
                "subject": subjects,
                "plane": plane,
                "slices": counts,
                "kernel_with_own_side": (within.sum(axis=1) - np.diag(within)) / (counts * (counts.sum() - counts)),
                "kernel_with_other_side": across.sum(axis=1) / (counts * others.sum()),
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
