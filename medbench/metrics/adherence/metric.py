"""Adherence: does the segmenter find in a sample what the label map asked for that the sample was made from?

Per region, matched by name: Dice (DSC), normalised surface dice (NSD) and 95th percentile Hausdorff distance (HD95)
between that label map and the segmentation of the sample. A region that neither holds is not applicable and left out;
one that only one of them holds has DSC 0, NSD 0 and the image's diagonal as HD95. The value is the mean over samples
of a sample's mean DSC over its regions; medians by region are parts, and how often a region is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.adherence.controls import MASK_RUNS, SEGMENTATION_RUNS, Control, ceiling_of, shuffled_floor
from medbench.metrics.adherence.figure import draw
from medbench.metrics.adherence.overlaps import Overlaps, by_unit, collect, mean_of_present, of_volumes
from medbench.metrics.adherence.parts import PARTS
from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Derivation, Evidence
from medbench.records.results import CaseColumns
from medbench.statistics.dominance import dominance_notes
from medbench.statistics.means import bounded_mean_interval
from medbench.statistics.order_statistics import FEWEST, median_figures
from medbench.statistics.proportions import rate_figures
from medbench.statistics.resampling import NOT_ASKED

if TYPE_CHECKING:
    import pandas as pd

    from medbench.spec import Protocol


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (of_volumes(protocol), MASK_RUNS, SEGMENTATION_RUNS)


class Adherence:
    """Overlap of the label map that a sample was made from with what the segmenter sees in the sample."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="adherence",
        version="2",
        summary="overlap (DSC) of the mask that a sample was made from with the segmentation of what was made",
        better="higher",
        unit=None,
        min_real=0,
        min_synthetic=1,
        parts=PARTS,
        source="MedLoRD, arXiv:2503.13211, table 2; Metrics reloaded, Nature Methods 21:195 (empty masks)",
        needs=("segmenter", "regions", "nsd_tolerance_mm"),
        wants=("masks",),
        floor="own",
        derives=_derives,
        # Samples of two runs are pairs where they were made from the same label map, whatever their own names are.
        cases=CaseColumns(value="dsc", case="mask"),
        figures=(
            Figure(
                name="region_overlap",
                caption="DSC of the mask that a sample was made from with what the segmenter sees in it: a dot a "
                "sample, a box for the quartiles; beside it the median that the segmenter reaches on real images, and "
                "that masks of other samples reach.",
                alt="Distribution of DSC by region with ceiling and shuffled masks; the numbers are in the table of "
                "adherence",
                draw=draw,
            ),
        ),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no masks, no segmenter, masks that stand for the segmenter, or no region in common.
            NotEnoughCasesError: no sample.
        """
        side = evidence.synthetic
        require_subjects(self.info, real=evidence.real.subjects, synthetic=side.subjects)
        if side.masks_stand_for_segmenter:
            raise Unavailable(
                "the masks stand for the segmenter and would be compared with themselves: "
                "name a segmenter that sees the samples' voxels with --segmenter"
            )
        found = collect(side, evidence.protocol)
        scores, scope = by_unit(found.scores, found.units), {"compared": list(found.regions)}
        value = float(scores.mean())
        if not evidence.intervals:
            return Measurement.of(value, NOT_ASKED, scope=scope)
        floor, ceiling = shuffled_floor(side, found), ceiling_of(evidence, found)
        parts = {
            region: _figures(found, column)
            | {
                f"{name}_median": control.medians[region]
                for name, control in (("ceiling", ceiling), ("shuffled", floor))
                if region in control.medians
            }
            for column, region in enumerate(found.regions)
        }
        parts["overall"] = _with_quartiles(scores) | rate_figures(_missing(found), "missing")
        few = [region for region in found.regions if parts[region]["n"] < FEWEST]
        note = f"no interval of the median of {', '.join(few)}: it needs {FEWEST} subjects, there are fewer"
        units = np.unique(found.units[~np.isnan(found.scores)]).tolist()
        notes = [*found.notes, *([note] if few else []), _missing_note(parts["overall"])]
        notes += dominance_notes(np.square(scores - value), [[unit] for unit in units], side="synthetic")
        return Measurement.of(
            value,
            bounded_mean_interval(scores, units),
            parts=parts,
            table=_table(found, floor=floor, ceiling=ceiling),
            notes=tuple(notes),
            scope=scope,
            floor=floor.value,
            floor_note=floor.note,
            ceiling=ceiling.value,
            ceiling_note=ceiling.note,
        )


def _figures(found: Overlaps, column: int) -> dict[str, float]:
    """Return a region's figures over subjects."""
    dsc, nsd, hd95_mm = (by_unit(one[:, column], found.units) for one in (found.dsc, found.nsd, found.hd95_mm))
    figures = _with_quartiles(dsc)
    for name, values in (("nsd", nsd), ("hd95", hd95_mm)):
        of_name = median_figures(values)
        figures |= {f"{name}_median": of_name["median"], f"{name}_iqr": of_name["iqr"]}
    return figures | rate_figures(_missing(found, column), "missing")


def _missing(found: Overlaps, column: int | slice = slice(None)) -> np.ndarray:
    """Return for each unit how often the segmenter finds nothing of a region (of all) where it applies."""
    applies = np.atleast_2d(~np.isnan(found.dsc[:, column]).T)
    lost = np.where(applies, np.atleast_2d((found.segmentation_voxels[:, column] == 0).T), np.nan)
    return by_unit(mean_of_present(lost, axis=0), found.units)


def _missing_note(overall: Mapping[str, float]) -> str:
    rate, low, high = (100.0 * overall[f"missing_{name}"] for name in ("rate", "low", "high"))
    return (
        f"the segmenter finds nothing of {rate:.2g} % of the regions ({low:.2g} to {high:.2g} %, exact over subjects)"
    )


def _with_quartiles(values: np.ndarray) -> dict[str, float]:
    return median_figures(values, "q1", "q3")


def _table(found: Overlaps, *, floor: Control, ceiling: Control) -> pd.DataFrame:
    """Return one row a sample and region; not applicable figures are empty."""
    import pandas as pd

    none = np.full(len(found.ids), np.nan)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": found.ids,
                    "subject": found.subjects,
                    "region": region,
                    "dsc": found.dsc[:, index],
                    "nsd": found.nsd[:, index],
                    "hd95_mm": found.hd95_mm[:, index],
                    "mask_voxels": found.mask_voxels[:, index],
                    "segmentation_voxels": found.segmentation_voxels[:, index],
                    "shuffled_dsc": floor.by_sample.get(region, none),
                    "ceiling_dsc": ceiling.by_sample.get(region, none),
                    "mask": found.masks,
                }
            )
            for index, region in enumerate(found.regions)
        ],
        ignore_index=True,
    )
