"""The overlaps behind ``adherence``: one row a volume, one column a region, computed once a volume and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from medbench.errors import Unavailable
from medbench.imaging.volume import UNNAMED, LabelMap
from medbench.metrics.evidence import Derivation, Side
from medbench.metrics.functional.overlap import overlaps, values_of
from medbench.spec import Protocol
from medbench.statistics.resampling import subject_means

ENVELOPE = "body"
"""What is left of the body around the organs: no region of its own unless the protocol names it."""

_VERSION = 2
_MOST_NAMED = 6


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How far masks and segmentations of one side agree.

    Args:
        ids: of the volumes.
        subjects: of the volumes.
        masks: what tells one mask from another: the beginning of the SHA-256 over its shape and labels.
        regions: names of the columns.
        dsc: (volumes, regions) 0 to 1; NaN where neither mask nor segmentation holds the region, as in what follows.
        nsd: (volumes, regions) 0 to 1.
        hd95_mm: (volumes, regions).
        mask_voxels: (volumes, regions).
        segmentation_voxels: (volumes, regions).
        notes: regions that were left out, and what else a reader should know.
    """

    ids: Sequence[str]
    subjects: Sequence[str]
    masks: Sequence[str]
    regions: Sequence[str]
    dsc: np.ndarray
    nsd: np.ndarray
    hd95_mm: np.ndarray
    mask_voxels: np.ndarray
    segmentation_voxels: np.ndarray
    notes: Sequence[str]

    @property
    def units(self) -> np.ndarray:
        """The unit of resampling of each volume: its subject, or its mask where masks are fewer than subjects."""
        return np.asarray(self.masks if len(set(self.masks)) < len(set(self.subjects)) else self.subjects)

    @property
    def scores(self) -> np.ndarray:
        """The mean DSC over regions of each volume; NaN where no region applies."""
        return mean_of_present(self.dsc, axis=1)


def mean_of_present(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the mean along an axis of what is not NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    total, count = np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def by_unit(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return one mean a unit that has a value.

    Args:
        values: (volumes,), NaN where a volume has none.
        units: (volumes,) the unit of each volume.
    """
    present = ~np.isnan(values)
    return subject_means(values[present], units[present].tolist())


def of_volumes(protocol: Protocol) -> Derivation:
    """Return what is derived of each volume: see ``volume_overlaps``."""
    wanted = tuple(protocol.regions)
    settings = {"version": _VERSION, "regions": wanted, "tolerance_mm": protocol.nsd_tolerance_mm}
    compute = partial(volume_overlaps, regions=wanted, tolerance_mm=protocol.nsd_tolerance_mm)
    return Derivation("adherence", compute, ("mask", "segmentation"), settings, sides=("synthetic", "held_out"))


def collect(side: Side, protocol: Protocol) -> Overlaps:
    """Return the overlaps of a side's masks with what the segmenter sees in its volumes.

    Args:
        side: volumes with masks.
        protocol: names regions and tolerance.

    Raises:
        Unavailable: no masks, no segmenter, or no region that both know and one of them holds.
    """
    wanted = tuple(protocol.regions)
    rows = list(of_volumes(protocol).from_side(side))
    known = [str(name) for name in dict.fromkeys(name for row in rows for name in row["regions"])]
    regions = [name for name in known if not np.isnan(_column(rows, "dsc", name)).all()]
    notes = _left_out(rows, wanted, known)
    notes += [f"{name} left out: neither masks nor segmentations hold it" for name in known if name not in regions]
    if not regions:
        reasons = "; ".join(notes) or "masks and segmenter have no name in common"
        raise Unavailable(f"no region can be compared: {reasons} (labels.json beside the masks names their values)")
    figures = {
        name: np.stack([_column(rows, name, region) for region in regions], axis=1)
        for name in ("dsc", "nsd", "hd95_mm", "mask_voxels", "segmentation_voxels")
    }
    masks = [row["mask"].item() for row in rows]
    found = Overlaps(side.ids, side.subjects, masks, regions, **figures, notes=notes)
    notes += _unit_notes(found)
    finest = min(float(row["spacing_mm"].min()) for row in rows)
    if protocol.nsd_tolerance_mm < finest:
        notes.append(
            f"NSD: the tolerance of {protocol.nsd_tolerance_mm:g} mm is below the smallest voxel edge ({finest:.3g} "
            "mm): only surfaces that coincide voxel for voxel count as equal"
        )
    return found


def volume_overlaps(
    mask: LabelMap, segmentation: LabelMap, *, regions: Sequence[str], tolerance_mm: float
) -> dict[str, np.ndarray]:
    """Return the overlaps of one mask and one segmentation on one grid.

    Args:
        mask: what a volume was made from.
        segmentation: what the segmenter sees in it.
        regions: wanted; empty for all that both know but the envelope.
        tolerance_mm: surfaces this close count as equal.

    Returns:
        regions: names that both know (where neither has names: values that one of them holds); dsc, nsd, hd95_mm,
        mask_voxels, segmentation_voxels: (regions,), NaN where neither holds the region; mask: see ``Overlaps``;
        mask_names, segmentation_names: all regions they know; spacing_mm: (3,).
    """
    names = _comparable(mask, segmentation, regions)
    found = overlaps(mask, segmentation, names, tolerance_mm=tolerance_mm)
    dsc, nsd, hd95_mm = np.array([one or [np.nan] * 3 for one in found], dtype=float).reshape(-1, 3).T
    return {
        "regions": np.array(names, dtype=np.str_),
        "dsc": dsc,
        "nsd": nsd,
        "hd95_mm": hd95_mm,
        "mask_voxels": _sizes(mask, names),
        "segmentation_voxels": _sizes(segmentation, names),
        "mask": np.array(mask_hash(mask)),
        "mask_names": np.array(list(mask.names.values()), dtype=np.str_),
        "segmentation_names": np.array(list(segmentation.names.values()), dtype=np.str_),
        "spacing_mm": np.array(mask.spacing_mm),
    }


def mask_hash(mask: LabelMap) -> str:
    """Return 16 hex digits that tell one mask from another by shape and labels; where it lies in mm does not matter."""
    digest = hashlib.sha256(str(mask.shape).encode())
    for plane in mask.voxels:
        digest.update(plane.tobytes(order="C"))
    return digest.hexdigest()[:16]


def _comparable(mask: LabelMap, segmentation: LabelMap, wanted: Sequence[str]) -> list[str]:
    """Return the regions that both know; where neither side has names, a value is known if one of them holds it."""
    either = list(dict.fromkeys([*mask.names.values(), *segmentation.names.values()]))
    both = set(mask.names.values()) & set(segmentation.names.values())
    nobody_named = all(name.startswith(UNNAMED) for name in either)
    shared = [name for name in either if nobody_named or name in both]
    return [name for name in wanted if name in shared] or ([] if wanted else [n for n in shared if n != ENVELOPE])


def _sizes(label_map: LabelMap, names: Sequence[str]) -> np.ndarray:
    counts = np.sum([np.bincount(plane.reshape(-1), minlength=256) for plane in label_map.voxels], axis=0)
    return np.array([counts[values_of(label_map.names, name)].sum() for name in names], dtype=np.int64)


def _column(rows: Sequence[Mapping[str, np.ndarray]], figure: str, region: str) -> np.ndarray:
    """Return a figure of a region in each volume; nothing (NaN, 0 voxels) where the volume's masks do not know it."""
    absent = 0.0 if figure.endswith("voxels") else np.nan
    places = [np.flatnonzero(row["regions"] == region) for row in rows]
    return np.array([row[figure][place[0]] if len(place) else absent for row, place in zip(rows, places)])


def _left_out(rows: Sequence[Mapping[str, np.ndarray]], wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    names = {
        side: list(dict.fromkeys(str(name) for row in rows for name in row[f"{side}_names"]))
        for side in ("mask", "segmentation")
    }
    if wanted:
        absent = [name for name in wanted if name not in known]
        lacks = {name: "masks do" if name not in names["mask"] else "segmenter does" for name in absent}
        return [f"{name} left out: the {lacks[name]} not know it" for name in absent]
    foreign = [name for name in names["mask"] if name not in known and name != ENVELOPE]
    if not foreign:
        return []
    more = f" and {len(foreign) - _MOST_NAMED} more" if len(foreign) > _MOST_NAMED else ""
    return [f"left out, since the segmenter does not know them: {', '.join(foreign[:_MOST_NAMED])}{more}"]


def _unit_notes(found: Overlaps) -> list[str]:
    notes = []
    masks, subjects = len(set(found.masks)), len(set(found.subjects))
    if masks < subjects:
        notes.append(f"{subjects} subjects share {masks} masks: those of one mask count as one subject (their mean)")
    without = int(np.isnan(found.scores).sum())
    if without:
        notes.append(f"{without} volumes are left out: neither their masks nor their segmentations hold a region")
    return notes
