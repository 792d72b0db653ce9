"""Overlap of two label maps, region by region: Dice, normalised surface dice, 95th percentile Hausdorff distance.

A region's surface are its voxels with a face neighbour outside it; what lies beyond the image counts as outside.
Distances run between the centres of surface voxels, in mm. Memory: a few copies of the region's bounding box in
bytes, and about 100 bytes a surface voxel; no distance map of the volume is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from medbench.imaging.volume import LabelMap

Names = Mapping[int, str]
PERCENTILE = 95.0
# Distances are sums of rounded products of index and spacing: one voxel of 0.7 mm must not exceed a tolerance of 0.7.
_ROUNDING = 1e-6
_SLAB_VOXELS = 4_000_000


class Overlap(NamedTuple):
    """How far two outlines of one region agree.

    Args:
        dsc: Dice coefficient, 0 to 1.
        nsd: share of all surface voxels of both regions that lie within a tolerance of the other's surface, 0 to 1.
        hd95_mm: the larger of both directions' 95th percentile of the surface distances, 0 or more.
    """

    dsc: float
    nsd: float
    hd95_mm: float


def dice_by_region(mask: LabelMap, segmentation: LabelMap, regions: Sequence[str]) -> np.ndarray:
    """Return the Dice coefficient 2|A ∩ B| / (|A| + |B|) of each region.

    Args:
        mask: a label map.
        segmentation: another one of the same shape; its values may differ, regions are matched by name.
        regions: names.

    Returns:
        (regions,) 0 to 1; NaN where neither holds the region.

    Example:
        >>> labels = np.zeros((4, 2, 2), np.uint8)
        >>> labels[:2] = 1
        >>> mask = LabelMap(labels, np.eye(4), {1: "heart"})
        >>> moved = LabelMap(np.roll(labels, 1, axis=0), np.eye(4), {1: "heart"})
        >>> dice_by_region(mask, moved, ["heart", "lungs"]).tolist()
        [0.5, nan]
    """
    joint = _joint_counts(mask.voxels, segmentation.voxels)
    return dice_of_counts(joint, mask.names, segmentation.names, regions)


def dice_of_counts(
    joint: np.ndarray, mask_names: Names, segmentation_names: Names, regions: Sequence[str]
) -> np.ndarray:
    """Return the Dice coefficient of each region as ``dice_by_region`` does, from the counts of pairs of values.

    Args:
        joint: (256, 256) how many voxels hold each pair of values, those of the mask first.
        mask_names: the region of each value of the mask.
        segmentation_names: likewise.
        regions: names.

    Example:
        >>> joint = np.zeros((256, 256), int)
        >>> joint[1, 7], joint[1, 0] = 2, 2
        >>> dice_of_counts(joint, {1: "heart"}, {7: "heart"}, ["heart"]).round(3).tolist()
        [0.667]
    """
    found = np.full(len(regions), np.nan)
    for index, region in enumerate(regions):
        in_mask, in_segmentation = values_of(mask_names, region), values_of(segmentation_names, region)
        sizes = joint[in_mask].sum() + joint[:, in_segmentation].sum()
        if sizes:
            found[index] = 2.0 * joint[np.ix_(in_mask, in_segmentation)].sum() / sizes
    return found


def overlap(
    mask: np.ndarray, segmentation: np.ndarray, *, spacing_mm: Sequence[float], tolerance_mm: float, worst_mm: float
) -> Overlap | None:
    """Return how far two outlines of one region agree.

    Where one of them is empty, Dice and surface dice are 0 and the distance is the worst; where both are, None.

    Args:
        mask: (x, y, z) bool.
        segmentation: (x, y, z) bool.
        spacing_mm: distance between voxel centres along x, y, z.
        tolerance_mm: surfaces this close count as equal.
        worst_mm: the distance that stands for an absent region, such as the image's diagonal.

    Example:
        >>> mask = np.zeros((4, 4, 4), bool)
        >>> mask[1:3] = True
        >>> overlap(mask, np.roll(mask, 1, axis=0), spacing_mm=(2, 1, 1), tolerance_mm=1, worst_mm=9)
        Overlap(dsc=0.5, nsd=0.5, hd95_mm=2.0)

    Source: Maier-Hein, Reinke et al. 2024, Metrics reloaded, Nature Methods 21:195 (empty masks); Nikolov et al. 2021,
        JMIR 23:e26151 (surface dice), in the form that counts surface voxels, like MONAI's compute_surface_dice;
        Huttenlocher et al. 1993, IEEE TPAMI 15:850 (Hausdorff distance; the larger of both directions).
    """
    sizes = int(mask.sum()), int(segmentation.sum())
    if not any(sizes):
        return None
    if not all(sizes):
        return Overlap(0.0, 0.0, worst_mm)
    both_ways = surface_distances(mask=mask, segmentation=segmentation, spacing_mm=spacing_mm)
    return Overlap(
        dsc=2.0 * int((mask & segmentation).sum()) / sum(sizes),
        nsd=float((np.concatenate(both_ways) <= tolerance_mm * (1.0 + _ROUNDING)).mean()),
        hd95_mm=float(max(np.percentile(one, PERCENTILE) for one in both_ways)),
    )


def surface_distances(
    *, mask: np.ndarray, segmentation: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances (mm) from each surface voxel of either region to the nearest one of the other.

    Args:
        mask: (x, y, z) bool, at least one voxel.
        segmentation: (x, y, z) bool, at least one voxel.
        spacing_mm: distance between voxel centres along x, y, z.

    Example:
        >>> mask = np.zeros((5, 1, 1), bool)
        >>> mask[1] = True
        >>> surface_distances(mask=mask, segmentation=np.roll(mask, 2), spacing_mm=(1.5, 1, 1))
        (array([3.]), array([3.]))
    """
    from scipy.spatial import cKDTree

    points = [surface_voxels(region) * np.asarray(spacing_mm, float) for region in (mask, segmentation)]
    # Voxel centres share their coordinates in great numbers; trees that split at the middle are built faster then.
    trees = [cKDTree(one, balanced_tree=False, compact_nodes=False) for one in points]
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def surface_voxels(region: np.ndarray) -> np.ndarray:
    """Return the indices (voxels, 3) of a region's voxels that have a face neighbour outside it or outside the image.

    Args:
        region: (x, y, z) bool.

    Example:
        >>> len(surface_voxels(np.ones((3, 3, 3), bool)))  # all but the middle
        26
    """
    inner = region[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for neighbour in (slice(None, -2), slice(2, None)):
            place = [slice(1, -1)] * 3
            place[axis] = neighbour
            inner &= region[tuple(place)]
    surface = region.copy()
    surface[1:-1, 1:-1, 1:-1] &= ~inner
    return np.argwhere(surface)


def overlaps(
    mask: LabelMap, segmentation: LabelMap, regions: Sequence[str], *, tolerance_mm: float
) -> list[Overlap | None]:
    """Return how far two label maps on one grid agree in each region; None where neither holds it.

    Args:
        mask: a label map.
        segmentation: another one on its grid; its values may differ, regions are matched by name.
        regions: names.
        tolerance_mm: see ``overlap``.

    Example:
        >>> labels = np.zeros((4, 2, 2), np.uint8)
        >>> labels[:2] = 1
        >>> heart = LabelMap(labels, np.eye(4), {1: "heart"})
        >>> overlaps(heart, heart, ["heart", "lungs"], tolerance_mm=1.0)
        [Overlap(dsc=1.0, nsd=1.0, hd95_mm=0.0), None]
    """
    from scipy import ndimage

    boxes = [ndimage.find_objects(label_map.voxels, max_label=255) for label_map in (mask, segmentation)]
    worst_mm = float(np.linalg.norm(np.multiply(mask.shape, mask.spacing_mm)))
    found: list[Overlap | None] = []
    for region in regions:
        values = values_of(mask.names, region), values_of(segmentation.names, region)
        box = _joint_box([boxes[side][value - 1] for side in range(2) for value in values[side] if value > 0])
        if box is None:
            found.append(None)
            continue
        both = (np.isin(one.voxels[box], held) for one, held in zip((mask, segmentation), values))
        found.append(
            overlap(*both, spacing_mm=mask.spacing_mm, tolerance_mm=tolerance_mm, worst_mm=worst_mm)
        )  # fmt: skip
    return found


def values_of(names: Names, region: str) -> list[int]:
    """Return the label values that bear a name.

    Example:
        >>> values_of({1: "rib", 2: "heart", 3: "rib"}, "rib")
        [1, 3]
    """
    return [value for value, name in names.items() if name == region]


def _joint_box(boxes: Sequence[tuple[slice, ...] | None]) -> tuple[slice, ...] | None:
    present = [box for box in boxes if box is not None]
    if not present:
        return None
    return tuple(slice(min(one.start for one in axis), max(one.stop for one in axis)) for axis in zip(*present))


def _joint_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how many voxels hold each pair of values (256, 256), slab by slab."""
    counts = np.zeros(256 * 256, dtype=np.int64)
    step = max(1, _SLAB_VOXELS // max(1, first[0].size))
    for start in range(0, len(first), step):
        slab = slice(start, start + step)
        pairs = first[slab].astype(np.uint16) * np.uint16(256) + second[slab]
        counts += np.bincount(pairs.reshape(-1), minlength=counts.size)
    return counts.reshape(256, 256)
