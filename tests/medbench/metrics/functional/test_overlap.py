import itertools

import numpy as np
import pytest
import torch
from monai.metrics import compute_surface_dice

from medbench.imaging.volume import LabelMap
from medbench.metrics.functional.overlap import (
    dice_by_region,
    overlap,
    overlaps,
    surface_distances,
    surface_voxels,
)

SPACING = (0.7, 1.1, 2.5)


def cube(shape, start, stop):
    region = np.zeros(shape, bool)
    region[tuple(slice(a, b) for a, b in zip(start, stop))] = True
    return region


def ball(shape, centre_mm, radius_mm, spacing):
    axes = np.meshgrid(*(np.arange(n) * step for n, step in zip(shape, spacing)), indexing="ij")
    return sum((axis - centre) ** 2 for axis, centre in zip(axes, centre_mm)) <= radius_mm**2


def compare(mask, segmentation, *, spacing=(1, 1, 1), tolerance=1.0, worst=999.0):
    return overlap(mask, segmentation, spacing_mm=spacing, tolerance_mm=tolerance, worst_mm=worst)


def brute_force(mask, segmentation, *, spacing, tolerance):
    """Every voxel by its six neighbours, every pair of surface voxels."""

    def surface(region):
        found = []
        for place in itertools.product(*map(range, region.shape)):
            if not region[place]:
                continue
            for axis, step in itertools.product(range(3), (-1, 1)):
                other = list(place)
                other[axis] += step
                if not 0 <= other[axis] < region.shape[axis] or not region[tuple(other)]:
                    found.append(place)
                    break
        return np.array(found)

    points = [surface(region) * np.array(spacing) for region in (mask, segmentation)]
    apart = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    near = (there <= tolerance).sum() + (back <= tolerance).sum()
    dsc = 2 * (mask & segmentation).sum() / (mask.sum() + segmentation.sum())
    return dsc, near / (len(there) + len(back)), max(np.percentile(there, 95), np.percentile(back, 95))


def test_a_region_agrees_with_itself():
    region = ball((20, 18, 12), (7, 9, 14), 5, SPACING)
    found = compare(region, region, spacing=SPACING)
    assert (found.dsc, found.nsd, found.hd95_mm) == (1, 1, 0)


@pytest.mark.parametrize("axis", range(3))
def test_a_cube_shifted_by_known_millimetres(axis):
    """10 voxels a side, shifted by 2: Dice is 0.8; opposite faces lie 2 voxels apart, so that HD95 is 2 spacings."""
    shift = [0, 0, 0]
    shift[axis] = 2
    shape = (20, 20, 20)
    mask = cube(shape, (4, 4, 4), (14, 14, 14))
    segmentation = cube(shape, np.add((4, 4, 4), shift), np.add((14, 14, 14), shift))
    found = compare(mask, segmentation, spacing=SPACING, tolerance=2 * SPACING[axis])
    assert found.dsc == pytest.approx(0.8)
    assert found.hd95_mm == pytest.approx(2 * SPACING[axis])
    assert found.nsd == 1  # the shift is the tolerance: rounding must not decide
    assert compare(mask, segmentation, spacing=SPACING, tolerance=1.99 * SPACING[axis]).nsd < 1


def test_concentric_balls_are_their_difference_of_radii_apart():
    """Radii 12 and 9 mm on a fine grid: the distance is 3 mm but for the half voxel of each surface."""
    shape, spacing = (54, 54, 27), (0.5, 0.5, 1.0)
    inner, outer = (ball(shape, (13, 13, 13), radius, spacing) for radius in (9, 12))
    found = compare(inner, outer, spacing=spacing, tolerance=2.0)
    assert found.hd95_mm == pytest.approx(3, abs=0.5)
    assert found.dsc == pytest.approx(2 * 9**3 / (9**3 + 12**3), rel=0.02)
    assert found.nsd == 0
    assert compare(inner, outer, spacing=spacing, tolerance=4.0).nsd == 1


def test_a_far_speck_moves_the_percentile_only_beyond_its_share():
    mask = cube((40, 16, 16), (2, 2, 2), (12, 12, 12))
    speck = mask.copy()
    speck[39, 15, 15] = True
    assert compare(mask, speck).hd95_mm == 0
    distances = surface_distances(mask=mask, segmentation=speck, spacing_mm=(1, 1, 1))
    assert max(one.max() for one in distances) == pytest.approx(np.linalg.norm([28, 4, 4]))


def test_an_absent_region_is_the_worst_and_two_absent_ones_are_nothing():
    region, empty = cube((6, 6, 6), (1, 1, 1), (3, 3, 3)), np.zeros((6, 6, 6), bool)
    for pair in ((region, empty), (empty, region)):
        found = compare(*pair, worst=17.0)
        assert (found.dsc, found.nsd, found.hd95_mm) == (0, 0, 17)
    assert compare(empty, empty) is None


def test_disjoint_regions_have_a_distance():
    found = compare(cube((20, 4, 4), (0, 0, 0), (4, 4, 4)), cube((20, 4, 4), (10, 0, 0), (14, 4, 4)))
    assert (found.dsc, found.nsd) == (0, 0)
    assert found.hd95_mm == 10


def test_the_image_border_is_a_surface():
    assert len(surface_voxels(np.ones((5, 5, 5), bool))) == 5**3 - 3**3
    assert len(surface_voxels(np.ones((2, 1, 3), bool))) == 6
    whole, cut = np.ones((6, 6, 6), bool), cube((6, 6, 6), (0, 0, 0), (6, 6, 5))
    assert compare(whole, cut).hd95_mm == 1


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")  # MONAI 1.6 calls itself so
@pytest.mark.parametrize("seed", range(3))
def test_blobs_match_brute_force_and_monai(seed):
    """Independent references: every pair of voxels, and MONAI 1.6 (compute_surface_dice, ..._hausdorff_distance)."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, 14, 12, 9)), (0, 2, 2, 2))
    mask, segmentation = smooth > np.quantile(smooth, 0.6)  # blobs that touch the border
    found = compare(mask, segmentation, spacing=SPACING, tolerance=1.5)
    expected = brute_force(mask, segmentation, spacing=SPACING, tolerance=1.5)
    assert (found.dsc, found.nsd, found.hd95_mm) == pytest.approx(expected, rel=1e-9)
    one, other = (torch.from_numpy(region)[None, None].float() for region in (mask, segmentation))
    assert found.dsc == pytest.approx(compute_dice(one, other).item(), rel=1e-5)
    nsd = compute_surface_dice(one, other, class_thresholds=[1.5], include_background=True, spacing=SPACING)
    assert found.nsd == pytest.approx(nsd.item(), rel=1e-5)
    hd95 = compute_hausdorff_distance(one, other, include_background=True, percentile=95, spacing=SPACING)
    assert found.hd95_mm == pytest.approx(hd95.item(), rel=1e-5)


def label_maps():
    """Heart and lung with other values on each side; the segmenter alone knows a liver, and finds none."""
    affine = np.diag([*SPACING, 1.0])
    mask, segmentation = np.zeros((2, 12, 10, 8), np.uint8)
    mask[1:6, 2:7, 1:5], mask[7:11, 1:9, 2:6] = 1, 2
    segmentation[2:7, 2:7, 1:5], segmentation[7:11, 2:9, 2:6] = 7, 9
    return (
        LabelMap(mask, affine, {1: "heart", 2: "lung"}),
        LabelMap(segmentation, affine, {9: "lung", 7: "heart", 3: "liver"}),
    )


def test_regions_are_matched_by_name_and_cropping_changes_nothing():
    mask, segmentation = label_maps()
    heart, liver = overlaps(mask, segmentation, ["heart", "liver"], tolerance_mm=1.0)
    whole = compare(mask.voxels == 1, segmentation.voxels == 7, spacing=SPACING, tolerance=1.0)
    assert (heart.dsc, heart.nsd) == (whole.dsc, whole.nsd)
    assert heart.hd95_mm == pytest.approx(whole.hd95_mm) == pytest.approx(0.7)
    assert liver is None


def test_dice_alone_agrees_and_is_nan_where_neither_has_the_region():
    mask, segmentation = label_maps()
    found = dice_by_region(mask, segmentation, ["lung", "liver", "heart"])
    lung, _, heart = overlaps(mask, segmentation, ["lung", "liver", "heart"], tolerance_mm=1.0)
    assert (found[0], found[2]) == (lung.dsc, heart.dsc)
    assert np.isnan(found[1])


def test_the_worst_distance_is_the_diagonal_of_the_image():
    mask, segmentation = label_maps()
    gone = LabelMap(np.zeros_like(segmentation.voxels), segmentation.affine, segmentation.names)
    (heart,) = overlaps(mask, gone, ["heart"], tolerance_mm=1.0)
    assert heart.hd95_mm == pytest.approx(np.linalg.norm(np.multiply((12, 10, 8), SPACING)))


def test_values_that_share_a_name_are_one_region():
    mask, segmentation = label_maps()
    halves = LabelMap(mask.voxels, mask.affine, {1: "both", 2: "both"})
    joined = LabelMap(segmentation.voxels, segmentation.affine, {7: "both", 9: "both"})
    (found,) = overlaps(halves, joined, ["both"], tolerance_mm=1.0)
    assert found == compare(mask.voxels > 0, segmentation.voxels > 0, spacing=SPACING, tolerance=1.0)
    assert dice_by_region(halves, joined, ["both"])[0] == found.dsc


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("radius_mm", "up_mm", "tolerance", "voxels", "surfels"), [(13, 0, 1, 0.7066, 0.8575), (12, 2.5, 2, 0.6490, 0.8101)]
)
def test_surface_dice_counts_voxels_where_others_measure_surfels(radius_mm, up_mm, tolerance, voxels, surfels):
    """The figures of docs/metrics/adherence.md; MONAI has both conventions."""
    spacing = (0.8, 0.8, 2.5)
    regions = [
        ball((48, 48, 24), (19.2, 19.2, 30.0 + up), radius, spacing) for radius, up in ((12, 0), (radius_mm, up_mm))
    ]
    found = compare(*regions, spacing=spacing, tolerance=tolerance).nsd
    one, other = (torch.from_numpy(np.stack([~region, region])[None].astype(np.float32)) for region in regions)
    theirs = [
        compute_surface_dice(other, one, [tolerance], spacing=list(spacing), use_subvoxels=subvoxels).item()
        for subvoxels in (False, True)
    ]
    assert (found, *theirs) == pytest.approx((voxels, voxels, surfels), abs=5e-4)
