import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medbench.errors import Unavailable
from medbench.metrics.functional.regions import log_volume_distance
from medbench.metrics.rvr.metric import Rvr
from medbench.statistics.multiple_tests import holm

VOXELS = 1_000_000


def counts(count, *, seed, scale=1.0, spread=1.0, missing=0):
    """Heart and lungs that grow together; ``missing`` volumes lack the heart."""
    size = np.random.default_rng(seed).normal(0, 0.1 * spread, (count, 1)) + np.random.default_rng(seed + 1000).normal(
        0, 0.05 * spread, (count, 2)
    )
    voxels = (np.array([20_000, 90_000]) * scale * np.exp(size)).astype(int)
    frame = pd.DataFrame(voxels, columns=["heart", "lungs"], index=pd.Index([f"v{i:03}" for i in range(count)]))
    frame.loc[frame.index[:missing], "heart"] = 0
    return frame.assign(voxels=VOXELS, voxel_ml=0.002)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, subjects=None, **protocol):
        sides = (make_side(len(frame), regions=frame, subjects=subjects) for frame in (real, synthetic))
        return Rvr().measure(make_evidence(*sides, **protocol))

    return measured


def test_a_set_against_itself(measure):
    found = measure(counts(12, seed=0), counts(12, seed=0))
    assert found.value == 0
    heart = found.parts["heart"]
    assert (heart["wasserstein"], heart["ks"], heart["missing_rate"]) == (0, 0, 0)
    assert (heart["spread_ratio"], heart["overlap"]) == (1, 1)
    assert found.parts["overall"]["frechet_log_volume"] == pytest.approx(0, abs=1e-9)


def test_a_shift_of_two_standard_deviations_scores_two(measure):
    real = counts(30, seed=0)
    synthetic = real.copy()
    synthetic["heart"] += int(2 * real["heart"].std())
    found = measure(real, synthetic)
    assert found.parts["heart"]["wasserstein"] == pytest.approx(2, rel=1e-3)
    assert found.parts["lungs"]["wasserstein"] == 0
    assert found.value == found.parts["overall"]["wasserstein"] == pytest.approx(1, rel=1e-3)


def test_spread_ratio_is_synthetic_over_real(measure):
    tight, loose = counts(60, seed=0, spread=0.5), counts(60, seed=0)
    assert measure(loose, tight).parts["heart"]["spread_ratio"] < 0.7
    assert measure(tight, loose).parts["heart"]["spread_ratio"] > 1.4


def test_missing_regions_are_counted_and_cost(measure):
    real = counts(20, seed=0)
    whole, gappy = measure(real, counts(20, seed=1)), measure(real, counts(20, seed=1, missing=5))
    assert gappy.parts["heart"]["missing_rate"] == 0.25
    assert gappy.value > whole.value
    assert measure(counts(20, seed=1, missing=5), real).parts["heart"]["missing_rate"] == 0


def test_volume_is_the_synthetic_median_in_ml(measure):
    synthetic = counts(9, seed=1)
    found = measure(counts(9, seed=0), synthetic)
    assert found.parts["lungs"]["volume_ml"] == pytest.approx(float(synthetic["lungs"].median()) * 0.002)


def test_ratio_uses_each_volumes_own_size(measure):
    real = counts(10, seed=0)
    doubled = real.assign(heart=real["heart"] * 2, lungs=real["lungs"] * 2, voxels=2 * VOXELS)
    assert measure(real, doubled).value == pytest.approx(0, abs=1e-12)


def test_regions_that_cannot_be_compared_are_named(measure):
    real = counts(8, seed=0).assign(spleen=0, table=500, liver=range(8))
    found = measure(real, counts(8, seed=1).assign(spleen=7, table=400))
    assert set(found.parts) == {"heart", "lungs", "overall"}
    for word in (
        "spleen left out: no real",
        "table left out: it does not vary",
        "liver left out: the masks of the synth",
    ):
        assert any(note.startswith(word) for note in found.notes)


def test_only_the_protocols_regions_count(measure):
    found = measure(counts(8, seed=0), counts(8, seed=1), regions=("lungs",))
    assert set(found.parts) == {"lungs", "overall"}
    assert found.value == found.parts["lungs"]["wasserstein"]


def test_no_region_left_is_unavailable_with_the_reasons(measure):
    real = counts(8, seed=0).assign(heart=0, lungs=3)
    with pytest.raises(Unavailable, match="heart left out: no real volume has it; lungs left out: it does not vary"):
        measure(real, counts(8, seed=1))


def test_interval_holds_the_value_and_narrows_with_subjects(measure):
    few = measure(counts(10, seed=0), counts(10, seed=1, scale=1.2))
    many = measure(counts(100, seed=0), counts(100, seed=1, scale=1.2))
    for found in (few, many):
        assert found.ci95[0] < found.value < found.ci95[1]
        assert "jackknife over subjects" in found.ci_method
    assert many.ci95[1] - many.ci95[0] < few.ci95[1] - few.ci95[0]


def test_a_region_that_one_subject_alone_makes_vary_has_no_interval(measure):
    real = counts(8, seed=0)
    real["heart"] = [20_000, *[21_000] * 7]
    found = measure(real, counts(8, seed=1))
    assert found.ci95 is None
    assert "varies only by one group" in found.ci_method


def test_too_few_volumes_with_all_regions_are_noted(measure):
    found = measure(counts(8, seed=0), counts(8, seed=1, missing=7))
    assert "frechet_log_volume" not in found.parts["overall"]
    assert "1 synthetic volumes have all regions" in found.notes[0]


def test_table_has_one_row_a_volume_and_region(measure):
    table = measure(counts(5, seed=0), counts(6, seed=1)).table
    assert list(table.columns) == ["side", "id", "region", "voxels", "ratio", "ml"]
    assert len(table) == (5 + 6) * 2
    row = table.iloc[0]
    assert row["ratio"] == row["voxels"] / VOXELS
    assert row["ml"] == pytest.approx(row["voxels"] * 0.002)


def test_the_joint_distance_has_an_interval_that_narrows_with_subjects(measure):
    widths = []
    for count in (12, 120):
        overall = measure(counts(count, seed=0), counts(count, seed=1, scale=1.3)).parts["overall"]
        low, high = overall["frechet_log_volume_ci_low"], overall["frechet_log_volume_ci_high"]
        assert 0 <= low < overall["frechet_log_volume"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_interval_of_the_joint_distance_is_the_jackknife_over_whole_volumes(measure):
    """By hand, one subject a group: variance (n - 1) / n Σ (θ₋i - mean)², both sides added, t with n - 1."""
    real, synthetic = counts(12, seed=0), counts(11, seed=1, scale=1.2, missing=1)
    overall = measure(real, synthetic).parts["overall"]
    ml = [frame[["heart", "lungs"]].to_numpy() * 0.002 for frame in (real, synthetic)]
    ml[1] = ml[1][1:]  # the first lacks its heart
    variance = 0.0
    for side in range(2):
        left = []
        for row in range(len(ml[side])):
            kept = list(ml)
            kept[side] = np.delete(ml[side], row, axis=0)
            left.append(log_volume_distance(real=kept[0], synthetic=kept[1]))
        variance += (len(left) - 1) * np.var(left)
    value = log_volume_distance(real=ml[0], synthetic=ml[1])
    half = stats.t.ppf(0.975, 9) * np.sqrt(variance)
    assert overall["frechet_log_volume"] == pytest.approx(value)
    assert overall["frechet_log_volume_ci_high"] == pytest.approx(value + half, rel=1e-6)
    assert overall["frechet_log_volume_ci_low"] == pytest.approx(max(value - half, 0))


def test_p_values_are_scipys_and_adjusted_by_holm(measure):
    real, synthetic = counts(40, seed=0), counts(20, seed=1, scale=1.1)
    parts = measure(real, synthetic).parts
    regions = ["heart", "lungs"]
    plain = [stats.ks_2samp(real[region] / VOXELS, synthetic[region] / VOXELS).pvalue for region in regions]
    assert [parts[region]["ks_p"] for region in regions] == pytest.approx(plain)
    assert [parts[region]["ks_p_holm"] for region in regions] == pytest.approx(holm(plain))


def test_p_values_tell_a_shift_and_not_chance(measure):
    same, shifted = (
        measure(counts(40, seed=0), counts(40, seed=1)),
        measure(counts(40, seed=0), counts(40, seed=1, scale=1.3)),
    )
    assert same.parts["heart"]["ks_p_holm"] >= same.parts["heart"]["ks_p"] > 0.01
    assert shifted.parts["heart"]["ks_p_holm"] < 1e-4


def test_p_values_are_left_out_where_volumes_are_not_independent(measure):
    found = measure(counts(8, seed=0), counts(8, seed=1), subjects=["a", "a", *"bcdefg"])
    assert "ks_p" not in found.parts["heart"]
    assert any(note.startswith("ks_p is absent") for note in found.notes)


def test_composition_and_volumes_do_not_depend_on_the_field_of_view(measure):
    real = counts(20, seed=0)
    wider = real.assign(voxels=2 * VOXELS)
    found = measure(real, wider)
    assert found.value > 3
    for region in ("heart", "lungs"):
        figures = found.parts[region]
        assert figures["composition_wasserstein"] == pytest.approx(0, abs=1e-12)
        assert figures["volume_ml"] == figures["volume_ml_real"]


def test_without_intervals_there_are_no_tests_either(make_side, make_evidence):
    sides = [make_side(8, regions=counts(8, seed=seed)) for seed in range(2)]
    found = Rvr().measure(make_evidence(*sides, intervals=False))
    assert found.ci95 is None and not found.replicates
    assert not {"ks_p", "frechet_log_volume_ci_low"} & {key for part in found.parts.values() for key in part}


def test_names_on_one_side_only_do_not_make_the_other_sides_values_missing_regions(measure):
    named, unnamed = counts(12, seed=0), counts(12, seed=1).rename(columns={"heart": "label_1", "lungs": "label_2"})
    for real, synthetic in ((named, unnamed), (unnamed, named)):
        with pytest.raises(Unavailable, match=r"synthetic volumes do not know it.*labels\.json"):
            measure(real, synthetic)


def test_an_unnamed_value_that_no_sample_holds_is_missing(measure):
    real = counts(12, seed=0).rename(columns={"heart": "label_1", "lungs": "label_2"})
    synthetic = counts(12, seed=1).rename(columns={"heart": "label_1", "lungs": "label_2"})
    assert measure(real, synthetic.drop(columns="label_2")).parts["label_2"]["missing_rate"] == 1
    assert measure(real, synthetic[["voxels", "voxel_ml"]]).parts["label_1"]["missing_rate"] == 1


def test_masks_that_share_no_value_give_a_reason_not_a_number(measure):
    real = counts(12, seed=0).rename(columns={"heart": "label_1", "lungs": "label_2"})
    synthetic = counts(12, seed=1).rename(columns={"lungs": "label_255"}).drop(columns="heart")
    with pytest.raises(
        Unavailable, match="share no region: the real masks have label_1, label_2, the synthetic ones label_255"
    ):
        measure(real, synthetic)
