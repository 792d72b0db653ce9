from __future__ import annotations

import pytest

from medbench.records.results import Against, Budget, Result, StagePrediction, TensorMemory
from medbench.report import prose


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({}, "The whole interval is worse than this floor"),
        ({"floor": 3.0}, "The interval reaches this floor"),
        ({"floor": 3.0, "floor_counts": "carried"}, "The interval reaches this floor"),
        ({"floor": 4.0}, "The whole interval is better than this floor"),
        ({"better": "higher", "floor": 2.0}, "The whole interval is better than this floor"),
        ({"better": "higher", "floor": 3.0}, "The interval reaches this floor"),
        ({"better": "higher", "floor": 4.0}, "The whole interval is worse than this floor"),
    ],
)
def test_the_reading_sets_the_interval_against_the_floor(fid: Result, change: dict[str, object], phrase: str) -> None:
    assert phrase in prose.reading(fid.model_copy(update=change))


def test_the_reading_claims_nothing_without_floor_or_interval(fid: Result) -> None:
    assert prose.reading(fid.model_copy(update={"floor": None, "ci95": None})) == "fid25d is 3.14; lower is better."
    assert "interval" not in prose.reading(fid.model_copy(update={"ci95": None}))


@pytest.mark.parametrize("counts", ["other", None])
def test_a_floor_of_other_counts_gives_no_verdict(fid: Result, counts: str | None) -> None:
    told = prose.reading(fid.model_copy(update={"floor": 4.0, "floor_counts": counts}))
    assert "there is no verdict" in told and "difference from real" not in told


@pytest.mark.parametrize(
    ("gap", "limit", "phrase"),
    [(0.5, 0.2, "a sign of copying"), (0.1, 0.2, "no gap beyond chance"), (0.5, None, "too few volumes to say")],
)
def test_the_reading_tells_a_gap_between_training_and_held_out_split(
    fid: Result, gap: float, limit: float | None, phrase: str
) -> None:
    against = Against(n=16, train=1.0, train_values=(1.0,), held_out=1.0 + gap, gap=gap, gap_limit=limit)
    assert phrase in prose.reading(fid.model_copy(update={"against": against}))


def test_the_reading_of_a_value_with_a_ceiling_names_both_ends(fid: Result) -> None:
    limits = {"ceiling": 0.95, "ceiling_note": "real images", "floor": 0.1, "floor_note": "shuffled masks"}
    told = prose.reading(fid.model_copy(update=limits))
    assert "0.950 (real images)" in told and "0.100 (shuffled masks)" in told
    assert "difference from real" not in told


def test_the_reading_does_not_take_a_metrics_own_floor_for_what_real_volumes_score(fid: Result) -> None:
    told = prose.reading(fid.model_copy(update={"floor": 0.1, "floor_note": "shuffled masks", "floor_values": ()}))
    assert "The floor is 0.100 (shuffled masks)." in told
    assert "Real volumes" not in told


def test_a_budget_says_whether_it_was_measured_or_predicted() -> None:
    absent = Budget(limit_bytes=24 * 2**30, kind="absent", card="none", within=None)
    measured = absent.model_copy(update={"kind": "measured", "card": "capped", "within": False})
    predicted = absent.model_copy(update={"kind": "predicted", "within": True})
    assert "nothing is known" in prose.budget_sentence(absent)
    assert "measured on a larger card" in prose.budget_sentence(measured) and "over" in prose.budget_sentence(measured)
    assert "not measured" in prose.budget_sentence(predicted) and "within" in prose.budget_sentence(predicted)


def test_what_was_predicted_is_said_with_shape_and_layer() -> None:
    tensor = TensorMemory(bytes=2**31, shape=(1, 128, 256, 256, 128), dtype="float16", layer="Decoder.blocks.7")
    found = StagePrediction(
        shape=(512, 512, 256), peak_bytes=9 * 2**30, tensor_bytes=7 * 2**30, largest_tensors=(tensor,)
    )
    budget = Budget(limit_bytes=24 * 2**30, kind="predicted", card="none", within=True, predicted={"sample": found})
    (told,) = prose.prediction_sentences(budget)
    assert told.startswith("Predicted before it began: sample at 512x512x256 voxels needs about 9.0")
    assert told.endswith("GiB, made by Decoder.blocks.7.")
    assert "no CUDA device" in prose.memory_reason(budget)
