import numpy as np
import pytest
from scipy import stats

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.imaging.volume import LabelMap
from medbench.metrics.adherence.controls import shifts_of
from medbench.metrics.adherence.metric import Adherence
from medbench.metrics.adherence.overlaps import collect
from medbench.spec import Protocol
from medbench.statistics.means import bounded_mean_interval

SHAPE = (24, 20, 16)

SPACING = (2.0, 2.0, 4.0)

AFFINE = np.diag([*SPACING, 1.0])

NAMES = {1: "body", 2: "heart", 3: "lung"}

TOLERANCE = 4.0


def without(label_map, value):
    return LabelMap(np.where(label_map.voxels == value, 1, label_map.voxels), label_map.affine, label_map.names)


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(drawn, seen, *, held_out=None, subjects=None, intervals=True, **protocol):
        side = make_side(len(drawn), drawn=drawn, seen=seen, subjects=subjects)
        return Adherence().measure(
            make_evidence(
                make_side(0), side, held_out=held_out, intervals=intervals, nsd_tolerance_mm=TOLERANCE, **protocol
            )
        )

    return measured


def test_masks_that_are_found_again_score_one(measure, anatomy):
    masks = [anatomy(seed) for seed in range(8)]
    found = measure(masks, masks)
    assert found.value == 1
    assert found.ci95 == (pytest.approx(0.025 ** (1 / 8)), 1)  # none of eight failed: up to a third may
    for region in ("heart", "lung"):
        figures = found.parts[region]
        assert (figures["median"], figures["iqr"], figures["nsd_median"], figures["hd95_median"]) == (1, 0, 1, 0)
        assert (figures["ci_low"], figures["ci_high"], figures["n"], figures["missing_rate"]) == (1, 1, 8, 0)


def test_the_envelope_is_no_region_unless_it_is_asked_for(measure, anatomy):
    masks = [anatomy(seed) for seed in range(4)]
    assert set(measure(masks, masks).parts) == {"heart", "lung", "overall"}
    assert set(measure(masks, masks, regions=("body", "lung")).parts) == {"body", "lung", "overall"}


def test_a_known_shift_scores_its_dice_and_its_millimetres(measure, anatomy):
    """The lung is 6 voxels long: moved by one, 2 * 5 / 12 of it overlaps; its ends lie one spacing apart."""
    found = measure([anatomy(seed) for seed in range(6)], [anatomy(seed, shift=1) for seed in range(6)])
    lung = found.parts["lung"]
    assert lung["median"] == pytest.approx(10 / 12)
    assert lung["hd95_median"] == pytest.approx(SPACING[0])
    assert lung["nsd_median"] == 1  # 2 mm lie within the tolerance of 4 mm
    assert measure(
        [anatomy(seed) for seed in range(6)], [anatomy(seed, shift=3) for seed in range(6)]
    ).value < found.value  # fmt: skip


def test_the_value_is_the_mean_over_samples_of_means_over_regions(measure, anatomy):
    masks = [anatomy(seed) for seed in range(5)]
    found = measure(masks, [anatomy(seed, shift=seed % 3) for seed in range(5)])
    by_sample = found.table.groupby("id")["dsc"].mean()
    assert found.value == pytest.approx(by_sample.mean())
    assert found.ci95 == bounded_mean_interval(by_sample.to_numpy(), list(by_sample.index)).ends
    assert found.ci_method == "Gaffke's interval of a mean of values within 0 and 1, over 5 subjects"
    assert found.parts["overall"]["median"] == pytest.approx(by_sample.median())


def test_empty_masks(measure, anatomy):
    """Absent from both: not applicable. Absent from one: DSC 0, NSD 0, HD95 the image's diagonal."""
    masks = [anatomy(0), without(anatomy(1), 2), without(anatomy(2), 2), anatomy(3)]
    seen = [anatomy(0), without(anatomy(1), 2), anatomy(2), without(anatomy(3), 2)]
    found = measure(masks, seen)
    heart = found.table[found.table["region"] == "heart"].set_index("id")
    diagonal = np.linalg.norm(np.multiply(SHAPE, SPACING))
    assert heart["dsc"].tolist()[:1] == [1]
    assert heart.loc["v001", ["dsc", "nsd", "hd95_mm"]].isna().all()
    for name in ("v002", "v003"):
        assert heart.loc[name, ["dsc", "nsd", "hd95_mm"]].tolist() == [0, 0, pytest.approx(diagonal)]
    assert found.parts["heart"]["n"] == 3
    assert found.parts["heart"]["missing_rate"] == pytest.approx(1 / 3)  # of those that have it, v003 lost it
    assert found.value == pytest.approx(np.mean([1, 1, 0.5, 0.5]))


def test_swapped_sides_are_told_apart(measure, anatomy):
    """Overlap is symmetric; what is missing is not: the mask asks, the segmentation answers."""
    masks, seen = [anatomy(seed) for seed in range(4)], [without(anatomy(seed), 2) for seed in range(4)]
    there, back = measure(masks, seen), measure(seen, masks)
    assert there.value == back.value
    assert there.parts["heart"]["missing_rate"] == 1
    assert back.parts["heart"]["missing_rate"] == 0
    assert there.table["mask"].tolist() != back.table["mask"].tolist()


def test_a_set_of_other_masks_scores_about_the_floor(measure, anatomy):
    masks = [anatomy(seed) for seed in range(12)]
    good, random = measure(masks, masks), measure(masks, [anatomy(seed + 100) for seed in range(12)])
    assert good.floor < 0.8 < good.value
    assert random.value == pytest.approx(random.floor, abs=0.1)
    assert good.floor_note.startswith("shuffled masks")


def test_the_floor_is_the_mean_over_shifted_pairs(measure, anatomy):
    """By hand: the DSC of every segmentation with the masks that the shifts pair it with."""
    masks, seen = [anatomy(seed) for seed in range(6)], [anatomy(seed, shift=1) for seed in range(6)]
    found = measure(masks, seen)
    table = found.table.set_index(["region", "id"])
    steps = [1, 2, 3, 4, 5]
    side_steps = [s for s in steps if s in _chosen_steps(found)]
    assert len(side_steps) == 3
    for place, segmentation in enumerate(seen):
        for region in ("heart", "lung"):
            pairs = [_dice(masks[(place + step) % 6], segmentation, region) for step in side_steps]
            assert table.loc[(region, f"v{place:03}"), "shuffled_dsc"] == pytest.approx(np.mean(pairs))
    assert found.floor == pytest.approx(found.table.groupby("id")["shuffled_dsc"].mean().mean())


def _chosen_steps(found):
    from types import SimpleNamespace

    rows = found.table[found.table["region"] == "lung"]
    return shifts_of(
        SimpleNamespace(ids=rows["id"].tolist(), masks=rows["mask"].tolist(), subjects=rows["subject"].tolist())
    )


def _dice(mask, segmentation, region):
    value = {name: value for value, name in NAMES.items()}[region]
    one, other = mask.voxels == value, segmentation.voxels == value
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_one_mask_for_all_has_no_floor_and_counts_as_one_subject(measure, anatomy):
    masks = [anatomy(0)] * 5
    found = measure(masks, [anatomy(0, shift=seed % 2) for seed in range(5)])
    assert found.floor is None and "no two samples with different masks" in found.floor_note
    assert found.ci95 is None and "there are 1" in found.ci_method
    assert any("5 subjects share 1 masks" in note for note in found.notes)


def test_samples_of_one_mask_are_averaged_before_they_are_resampled(measure, anatomy):
    masks = [anatomy(seed // 2) for seed in range(12)]
    found = measure(masks, [anatomy(seed // 2, shift=seed % 2) for seed in range(12)])
    assert found.parts["lung"]["n"] == 6
    assert found.parts["lung"]["median"] == pytest.approx((1 + 10 / 12) / 2)


def test_volumes_of_one_subject_are_averaged(measure, anatomy):
    masks, seen = [anatomy(seed) for seed in range(6)], [anatomy(seed, shift=seed // 4) for seed in range(6)]
    found = measure(masks, seen, subjects=["a", "a", "a", "b", "c", "d"])
    scores = found.table.groupby("id")["dsc"].mean().to_numpy()
    assert found.value == pytest.approx(np.mean([scores[:3].mean(), *scores[3:]]))
    assert found.parts["lung"]["n"] == 4


def test_the_ceiling_is_the_segmenter_on_the_real_images_of_the_same_masks(measure, make_side, anatomy):
    masks = [anatomy(seed) for seed in range(6)]
    real = [anatomy(seed) for seed in (0, 1, 50)]
    held_out = make_side(3, drawn=real, seen=[anatomy(0), anatomy(1, shift=1), anatomy(60)])
    found = measure(masks, [anatomy(seed, shift=2) for seed in range(6)], held_out=held_out)
    moved = np.mean([_dice(anatomy(1), anatomy(1, shift=1), region) for region in ("heart", "lung")])
    assert found.ceiling == pytest.approx((1 + moved) / 2)  # the third shares its mask with no sample
    assert found.ceiling_note == "the segmenter on the 2 held-out real volumes whose masks steered 2 of 6 samples"
    lung = found.table[found.table["region"] == "lung"].set_index("id")["ceiling_dsc"]
    assert lung["v000"] == 1 and lung["v001"] == pytest.approx(10 / 12) and lung[2:].isna().all()
    assert found.parts["lung"]["ceiling_median"] == pytest.approx((1 + 10 / 12) / 2)


def test_without_a_shared_mask_all_held_out_volumes_make_the_ceiling(measure, make_side, anatomy):
    masks = [anatomy(seed) for seed in range(4)]
    held_out = make_side(2, drawn=[anatomy(50), anatomy(51)], seen=[anatomy(50), anatomy(51)])
    found = measure(masks, masks, held_out=held_out)
    assert found.ceiling == 1
    assert "none has a sample's mask" in found.ceiling_note


def test_reasons_why_there_is_no_ceiling(measure, make_side, anatomy):
    masks = [anatomy(seed) for seed in range(4)]
    cases = {
        "no held-out real volumes": None,
        "there are no masks": make_side(2, seen=masks[:2]),
        "masks stand for the segmenter": make_side(2, drawn=masks[:2], masks_stand_for_segmenter=True),
        "no held-out volume has lung": make_side(1, drawn=[without(masks[0], 3)], seen=[without(masks[0], 3)]),
    }
    for words, held_out in cases.items():
        found = measure(masks, masks, held_out=held_out)
        assert found.ceiling is None
        assert words in found.ceiling_note


def test_masks_compared_with_themselves_are_refused(make_side, make_evidence, anatomy):
    masks = [anatomy(seed) for seed in range(2)]
    side = make_side(2, drawn=masks, seen=masks, masks_stand_for_segmenter=True)
    with pytest.raises(Unavailable, match="--segmenter"):
        Adherence().measure(make_evidence(make_side(0), side))


def test_no_masks_and_no_samples(make_side, make_evidence, anatomy):
    with pytest.raises(Unavailable, match="no masks"):
        Adherence().measure(make_evidence(make_side(0), make_side(2, seen=[anatomy(0)] * 2)))
    with pytest.raises(NotEnoughCasesError, match="1 synthetic subjects or more, got 0"):
        Adherence().measure(make_evidence(make_side(0), make_side(0)))


def test_names_that_do_not_meet_are_unavailable_with_the_mend(measure, anatomy):
    masks = [anatomy(seed, names={1: "label_1", 2: "label_2", 3: "label_3"}) for seed in range(2)]
    seen = [anatomy(seed) for seed in range(2)]
    with pytest.raises(Unavailable, match=r"heart left out: the masks do not know it.*labels\.json"):
        measure(masks, seen, regions=("heart",))


def test_regions_that_one_side_does_not_know_are_named(measure, anatomy):
    masks = [anatomy(seed, names={2: "heart", 3: "lobe"}) for seed in range(2)]
    seen = [anatomy(seed) for seed in range(2)]
    found = measure(masks, seen)
    assert set(found.parts) == {"heart", "overall"}
    assert "left out, since the segmenter does not know them: lobe" in found.notes
    assert found.scope == {"compared": ["heart"]}
    named = measure(masks, seen, regions=("heart", "lung", "liver"))
    assert "lung left out: the masks do not know it" in named.notes


def test_values_without_names_are_matched_by_value(measure, anatomy):
    masks = [LabelMap(anatomy(seed).voxels, AFFINE, {2: "label_2", 3: "label_3"}) for seed in range(3)]
    gone = LabelMap(without(masks[0], 3).voxels, AFFINE, {2: "label_2"})
    found = measure(masks, [gone, *masks[1:]])
    assert found.parts["label_3"]["n"] == 3
    assert found.parts["label_3"]["missing_rate"] == pytest.approx(1 / 3)


def test_a_tolerance_below_the_voxels_is_said(measure, make_side, anatomy):
    masks = [anatomy(seed) for seed in range(2)]
    assert not any("NSD" in note for note in measure(masks, masks).notes)
    side = make_side(2, drawn=masks, seen=masks)
    below = collect(side, Protocol(name="t", summary="t", nsd_tolerance_mm=1.5))
    assert any("the tolerance of 1.5 mm is below the smallest voxel edge (2 mm)" in note for note in below.notes)


def test_five_subjects_have_no_interval_of_the_median(measure, anatomy):
    masks = [anatomy(seed) for seed in range(5)]
    found = measure(masks, masks)
    assert "ci_low" not in found.parts["lung"]
    assert any("it needs 6 subjects" in note for note in found.notes)


def test_missing_regions_have_a_rate_with_an_exact_interval(measure, anatomy):
    masks = [anatomy(seed) for seed in range(8)]
    found = measure(masks, [without(masks[0], 2), *masks[1:]])
    heart, overall = found.parts["heart"], found.parts["overall"]
    exact = stats.binomtest(1, 8).proportion_ci(0.95)
    assert (heart["missing_rate"], heart["missing_low"], heart["missing_high"]) == pytest.approx((1 / 8, *exact))
    assert overall["missing_rate"] == pytest.approx(1 / 16) and overall["missing_high"] > 1 / 8
    assert any(note.startswith("the segmenter finds nothing of 6.2 % of the regions") for note in found.notes)
    assert any("makes up 88 % of the variance over the synthetic subjects" in note for note in found.notes)


def test_unnamed_masks_and_a_segmenter_with_names_cannot_be_compared(measure, anatomy):
    masks = [LabelMap(anatomy(seed).voxels, AFFINE, {1: "label_1", 2: "label_2", 3: "label_3"}) for seed in range(3)]
    with pytest.raises(Unavailable, match=r"does not know them: label_1.*labels\.json"):
        measure(masks, [anatomy(seed) for seed in range(3)], regions=())
