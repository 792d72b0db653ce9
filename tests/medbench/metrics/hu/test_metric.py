from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, stats

from medbench.datasets.phantom.dataset import generate
from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.hu.metric import Hu

SHAPE = (64, 64, 24)

NAMES = {1: "liver", 2: "heart", 3: "lung_left"}

HU = {1: 60, 2: 200, 3: -850}


def body(seed: int, *, sd: float = 10.0, shift: float = 0.0) -> tuple[Volume, LabelMap]:
    """Three blocks of tissue in air, with white noise."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:34, 4:34, 2:22], labels[4:34, 38:60, 2:22], labels[38:60, 4:60, 2:22] = 1, 2, 3
    hu = np.select([labels == value for value in HU], list(HU.values()), -1000).astype(np.float32)
    noise = rng.normal(0, sd, SHAPE) * (labels > 0)
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    offset = rng.normal(0, 4) + shift
    return Volume((hu + noise + offset * (labels > 0)).round().astype(np.int16), affine), LabelMap(
        labels, affine, NAMES
    )


def bodies(count: int, *, first: int = 0, **how: float) -> list[tuple[Volume, LabelMap]]:
    return [body(seed, **how) for seed in range(first, first + count)]


def changed(pairs, change):
    return [(Volume(change(volume.voxels), volume.affine), labels) for volume, labels in pairs]


@pytest.fixture(scope="module")
def real():
    return bodies(8)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, subjects=None, intervals=True, **protocol):
        sides = [
            make_side(len(pairs), scans=[pair[0] for pair in pairs], seen=[pair[1] for pair in pairs], subjects=named)
            for pairs, named in ((real, None), (synthetic, subjects))
        ]
        return Hu().measure(make_evidence(*sides, intervals=intervals, **protocol))

    return measured


def test_a_set_against_itself(measure, real):
    found = measure(real, real)
    assert found.value == 0
    assert found.parts["liver"]["wasserstein_hu"] == 0
    assert found.parts["noise"]["sd_ratio"] == found.parts["noise"]["mean_frequency_ratio"] == 1
    assert found.parts["noise"]["spectrum_distance"] == 0
    assert found.parts["slices"]["deeper_than_real"] == 0


def test_a_shift_of_20_hu_scores_20(measure, real):
    found = measure(real, changed(real, lambda hu: hu + np.int16(20)))
    assert found.value == pytest.approx(20, abs=1e-6)
    liver = found.parts["liver"]
    assert liver["median_hu"] - liver["median_hu_real"] == pytest.approx(20)
    assert found.parts["noise"]["sd_ratio"] == pytest.approx(1)


def test_the_distance_is_symmetric_and_the_figures_are_not(measure, real):
    noisy = bodies(8, first=50, sd=25, shift=15)
    there, back = measure(real, noisy), measure(noisy, real)
    assert there.value == pytest.approx(back.value)
    assert there.parts["noise"]["sd_ratio"] > 2 > 0.5 > back.parts["noise"]["sd_ratio"]
    assert there.parts["liver"]["median_hu"] == back.parts["liver"]["median_hu_real"]


def test_the_distance_is_scipys_on_all_voxels(measure, real):
    """Independent value: scipy's distance between the voxels themselves; 100 quantiles a volume stand for them."""
    other = bodies(8, first=50, sd=30, shift=5)
    voxels = [np.concatenate([v.voxels[5:33, 5:33, 3:21].ravel() for v, _ in pairs]) for pairs in (real, other)]
    found = measure(real, other).parts["liver"]["wasserstein_hu"]
    assert found == pytest.approx(stats.wasserstein_distance(*voxels), rel=0.02)


def test_noise_and_blur_are_seen(measure, real):
    noisy = measure(real, bodies(8, sd=20)).parts["noise"]
    assert noisy["sd_ratio"] == pytest.approx(2, rel=0.05)
    assert noisy["mean_frequency_ratio"] == pytest.approx(1, rel=0.05)
    smooth = changed(real, lambda hu: ndimage.gaussian_filter(hu.astype(np.float32), (0.8, 0.8, 0)))
    blurred = measure(real, smooth).parts["noise"]
    assert blurred["sd_ratio"] < 0.6
    assert blurred["mean_frequency_ratio"] < 0.8
    assert blurred["spectrum_distance"] > 0.1


def test_stitched_volumes_dip_where_they_were_stitched(measure):
    pairs = [generate(seed) for seed in range(4)]
    others = [generate(seed)[0].voxels for seed in range(20, 23)]
    stitched = [
        (Volume(np.concatenate([volume.voxels[:, :, :13], other[:, :, 13:]], axis=2), volume.affine), labels)
        for (volume, labels), other in zip(pairs, others)
    ]
    found = measure(pairs, stitched)
    assert found.parts["slices"]["deeper_than_real"] == 1
    assert found.parts["slices"]["dip"] > 2 * found.parts["slices"]["dip_real"]
    rows = found.table[(found.table["side"] == "synthetic") & (found.table["region"] == "volume")]
    assert rows["slices_dip_slice"].tolist() == [12] * 3


def test_medians_outside_published_bounds_are_counted(measure, real):
    found = measure(real, [*bodies(3, first=30), *bodies(1, first=40, shift=200)])
    assert found.parts["liver"]["outside_bounds"] == 0.25
    assert found.parts["liver"]["bound_high"] == 162
    assert found.parts["lung_left"]["outside_bounds"] == 0
    assert any("bounds made from the real medians by the same rule: heart" in note for note in found.notes)


def test_an_absent_organ_is_no_outlier_but_counted(measure, real):
    volume, labels = body(60)
    without = labels.voxels.copy()
    without[without == 1] = 0
    found = measure(real, [*bodies(3, first=30), (volume, LabelMap(without, labels.affine, NAMES))])
    liver = found.parts["liver"]
    assert (liver["missing_rate"], liver["outside_bounds"], liver["n"]) == (0.25, 0, 3)
    assert found.parts["heart"]["n"] == 4


def test_subjects_have_equal_weight(measure, real):
    one, other = body(70, shift=-30), body(71, shift=30)
    plain = measure(real, [one, other])
    repeated = measure(real, [one, one, one, other], subjects=["a", "a", "a", "b"])
    assert repeated.value == pytest.approx(plain.value)
    assert repeated.ci95 is None
    assert "there are 2" in repeated.ci_method


def test_regions_that_cannot_be_compared_are_skipped_with_the_reason(measure, real):
    def thinned(pairs):
        out = []
        for volume, labels in pairs:
            thin = labels.voxels.copy()
            thin[:2] = 4
            out.append((volume, LabelMap(thin, labels.affine, {**NAMES, 4: "skin", 5: "spleen"})))
        return out

    found = measure(thinned(real), thinned(bodies(4, first=30)), regions=("liver", "skin", "spleen", "colon"))
    assert found.scope == {"compared": ["liver"]}
    assert found.skipped["skin"].startswith("20 voxels or more are left after erosion in 0 real subjects")
    assert found.skipped["spleen"] == "no real volume has it"
    assert found.skipped["colon"] == "the masks of the real volumes do not know it"


def test_without_even_tissue_the_noise_is_skipped(measure, real):
    only_lung = [
        (volume, LabelMap((labels.voxels == 3) * np.uint8(3), labels.affine, NAMES)) for volume, labels in real
    ]
    found = measure(only_lung, only_lung)
    assert "noise" not in found.parts
    assert found.skipped["noise"].startswith("0 real subjects have four or more squares of even tissue")
    assert np.isfinite(found.value)


def test_no_region_left_is_unavailable(measure, real):
    with pytest.raises(Unavailable, match="no region can be compared: colon: the masks"):
        measure(real, real, regions=("colon",))
    with pytest.raises(NotEnoughCasesError, match="2 synthetic subjects or more, got 1"):
        measure(real, real[:1])


def test_table_has_a_row_a_volume_and_region_and_one_for_texture(measure, real):
    table = measure(real, bodies(4, first=30)).table
    assert len(table) == (8 + 4) * (3 + 1)
    row = table[(table["side"] == "real") & (table["region"] == "liver")].iloc[0]
    inside = real[0][0].voxels[5:33, 5:33, 3:21]
    assert row["median_hu"] == pytest.approx(np.median(inside), abs=0.5)
    assert row["voxels"] == 30 * 30 * 20


def test_values_are_clipped_to_the_protocols_window(measure, real):
    lower = changed(real, lambda hu: np.where(hu < -700, hu - 400, hu).astype(np.int16))
    found = measure(real, lower, regions=("lung_left",), window={"low": -800, "high": 1000})
    assert found.parts["lung_left"]["wasserstein_hu"] == pytest.approx(0, abs=1)


def test_values_that_share_a_name_are_one_region(measure, real):
    halves = []
    for volume, labels in real:
        split = labels.voxels.copy()
        split[:, :, 12:][split[:, :, 12:] == 1] = 9
        halves.append((volume, LabelMap(split, labels.affine, {**NAMES, 9: "liver"})))
    found, whole = measure(halves, bodies(4, first=30)), measure(real, bodies(4, first=30))
    assert found.value == whole.value
    assert found.parts["liver"] == whole.parts["liver"]


def test_planes_of_several_sizes_have_no_common_spectrum(measure, real):
    def wide(pairs):
        return [
            (Volume(np.tile(volume.voxels, (3, 3, 1))), LabelMap(np.tile(labels.voxels, (3, 3, 1)), names=NAMES))
            for volume, labels in pairs
        ]

    for found in (measure(real, wide(real[:3])), measure([*real[:3], *wide(real[3:5])], real)):
        assert "spectrum_distance" not in found.parts["noise"]
        assert found.skipped["noise.spectrum_distance"].startswith("squares of several sizes")
        assert found.value >= 0
