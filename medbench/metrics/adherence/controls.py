"""What adherence is read against: masks of other samples (floor), real images of the same masks (ceiling)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap
from medbench.metrics.adherence.overlaps import Overlaps, by_unit, collect, mean_of_present
from medbench.metrics.evidence import Derivation, Evidence, Side
from medbench.metrics.functional.label_runs import LabelRuns, joint_counts, runs_of
from medbench.metrics.functional.overlap import dice_of_counts

MOST_SHIFTS = 3
_SEED = 20250313


@dataclass(frozen=True, eq=False)
class Control:
    """A control's DSC.

    Args:
        value: as adherence's value; None where it cannot be had.
        note: how it was made, or why there is none.
        medians: by region.
        by_sample: by region, one number a sample, NaN where the control has none for it.
    """

    value: float | None
    note: str
    medians: Mapping[str, float] = field(default_factory=dict)
    by_sample: Mapping[str, np.ndarray] = field(default_factory=dict)


def _as_runs(label_map: LabelMap) -> dict[str, np.ndarray]:
    runs = runs_of(label_map.voxels)
    return {
        "ends": runs.ends,
        "labels": runs.labels,
        "shape": np.array(label_map.shape),
        "values": np.array(list(label_map.names), dtype=np.int64),
        "names": np.array(list(label_map.names.values()), dtype=np.str_),
    }


MASK_RUNS: Final = Derivation("mask-runs", _as_runs, ("mask",), {"version": 1}, sides=("synthetic",))
"""Masks and segmentations as runs: what the floor compares is kept from the one read of each label map."""
SEGMENTATION_RUNS: Final = Derivation(
    "segmentation-runs", _as_runs, ("segmentation",), {"version": 1}, sides=("synthetic",)
)


def shuffled_floor(side: Side, found: Overlaps) -> Control:
    """Return the DSC of each sample's segmentation with masks of other samples: anatomy alone, without steering.

    The masks are shifted by up to three seeded steps round the order of the samples; pairs of one subject or of equal
    masks are left out. Both are taken as runs, those of two label maps in memory at a time.

    Args:
        side: the samples.
        found: their overlaps with their own masks.
    """
    shifts = shifts_of(found)
    if not shifts:
        return Control(None, "no floor: there are no two samples with different masks")
    dsc = np.full((len(shifts), *found.dsc.shape), np.nan)
    for index, shift in enumerate(shifts):
        shifted = side.only([*side.ids[shift:], *side.ids[:shift]])
        pairs = zip(MASK_RUNS.from_side(shifted), SEGMENTATION_RUNS.from_side(side))
        for place, (mask, segmentation) in enumerate(pairs):
            if not _other(found, place, shift):
                continue
            if mask["shape"].tolist() != segmentation["shape"].tolist():
                return Control(None, "no floor: masks of several shapes cannot be exchanged: give --shape")
            dsc[index, place] = _dice(mask, segmentation, found.regions)
    means = mean_of_present(dsc, axis=0)
    note = f"shuffled masks: each sample's segmentation against the masks of {len(shifts)} other samples, DSC"
    return _control(note, found.regions, means, found.units, by_sample=means)


def _dice(mask: Mapping[str, np.ndarray], segmentation: Mapping[str, np.ndarray], regions: Sequence[str]) -> np.ndarray:
    first, second = (LabelRuns(one["ends"], one["labels"]) for one in (mask, segmentation))
    names, others = (dict(zip(one["values"].tolist(), one["names"].tolist())) for one in (mask, segmentation))
    return dice_of_counts(joint_counts(first, second), names, others, regions)


def shifts_of(found: Overlaps) -> list[int]:
    """Return the steps by which masks are shifted: seeded, those with the fewest pairs to leave out first."""
    count = len(found.ids)
    steps = np.random.default_rng(_SEED).permutation(np.arange(1, count)).tolist()
    pairs = {step: sum(_other(found, place, step) for place in range(count)) for step in steps}
    return sorted((step for step in steps if pairs[step]), key=lambda step: -pairs[step])[:MOST_SHIFTS]


def _other(found: Overlaps, place: int, shift: int) -> bool:
    other = (place + shift) % len(found.ids)
    return found.masks[place] != found.masks[other] and found.subjects[place] != found.subjects[other]


def ceiling_of(evidence: Evidence, found: Overlaps) -> Control:
    """Return the DSC of the segmenter on real images whose own masks the samples were made from.

    Where no held-out volume has a sample's mask, all held-out volumes with their own masks stand for that.

    Args:
        evidence: its held-out side and protocol.
        found: the samples' overlaps.
    """
    if evidence.held_out is None:
        return Control(None, "no ceiling: there are no held-out real volumes")
    if evidence.held_out.masks_stand_for_segmenter:
        return Control(None, "no ceiling: the held-out volumes' masks stand for the segmenter")
    try:
        real = collect(evidence.held_out, evidence.protocol)
    except Unavailable as reason:
        return Control(None, f"no ceiling: {reason}")
    columns = [list(real.regions).index(region) for region in found.regions if region in real.regions]
    if len(columns) < len(found.regions):
        absent = next(region for region in found.regions if region not in real.regions)
        return Control(None, f"no ceiling: no held-out volume has {absent}")
    own = np.isin(real.masks, found.masks)
    rows = own if own.any() else np.ones(len(own), dtype=bool)
    dsc, units = real.dsc[rows][:, columns], real.units[rows]
    if own.any():
        steered = int(np.isin(found.masks, real.masks).sum())
        note = f"the segmenter on the {own.sum()} held-out real volumes whose masks steered {steered} of "
        note += f"{len(found.ids)} samples"
    else:
        note = f"the segmenter on all {len(own)} held-out real volumes with their own masks: none has a sample's mask"
    of_sample = np.stack([mean_of_present(dsc[np.asarray(real.masks)[rows] == mask], axis=0) for mask in found.masks])
    return _control(note, found.regions, dsc, units, by_sample=of_sample)


def _control(
    note: str, regions: Sequence[str], dsc: np.ndarray, units: np.ndarray, *, by_sample: np.ndarray
) -> Control:
    """Make of DSC (volumes, regions) what adherence makes of its own: means over regions, then over units."""
    scores = by_unit(mean_of_present(dsc, axis=1), units)
    means = {region: by_unit(column, units) for region, column in zip(regions, dsc.T)}
    medians = {region: float(np.median(one)) for region, one in means.items() if len(one)}
    return Control(float(scores.mean()) if len(scores) else None, note, medians, dict(zip(regions, by_sample.T)))
