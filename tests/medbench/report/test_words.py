from __future__ import annotations

import pytest

from medbench.report import words
from medbench.results import Against, Budget, Result
from medbench.spec import Grid, Protocol, SliceProtocol, Window


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (3.1, "3.10"),
        (0.0123456, "0.0123"),
        (9.999, "10.0"),
        (31.4159, "31.4"),
        (-0.5, "-0.500"),
        (25769.4, "25769"),
        (999.9, "1000"),
        (64, "64"),
        (1.5e-6, "1.50e-06"),
        (2.5e9, "2.50e+09"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert words.number(value) == text


def test_an_interval_shows_both_ends() -> None:
    assert words.interval((2.7, 3.6)) == "[2.70, 3.60]"
    assert words.interval(None) == words.ABSENT


def test_bytes_are_told_as_gib() -> None:
    assert words.gib(24 * 2**30) == "24.0 GiB"
    assert words.gib(None) == words.ABSENT


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (None, "-"),
        (12.3, "12.3 s"),
        (59.99, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.6, "1 h 0 min"),
        (11520, "3 h 12 min"),
    ],
)
def test_durations_are_told_in_common_units(duration: float | None, text: str) -> None:
    assert words.seconds(duration) == text


def test_a_moment_does_not_depend_on_the_time_zone_here() -> None:
    assert words.moment(0) == "1970-01-01 00:00 UTC"


def test_a_protocol_is_told_in_sentences() -> None:
    protocol = Protocol(
        name="mine",
        summary="A trial.",
        grid=Grid(shape=(64, 64, 32), spacing_mm=(5.2, 5.2, 6.5)),
        window=Window(low=-1000, high=400),
        slices=SliceProtocol(planes=("xy",), centre_ratio=0.6, normalisation="minmax_per_plane"),
        regions=("lung_left",),
        reference_count=64,
    )
    told = " ".join(words.protocol_sentences(protocol))
    for phrase in (
        "64 x 64 x 32 grid with voxels of 5.2 x 5.2 x 6.5 mm",
        "padded with -1000 HU",
        "HU are clipped to -1000..400.",
        "the central 60 % of the slices",
        "axial (xy)",
        "seeded-resnet",
        "No segmenter",
        "lung left",
        "first 64 training cases",
    ):
        assert phrase in told


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        (Grid(shape=(64, 64, 32), fit="resize"), "on a 64 x 64 x 32 grid; the whole field of view is stretched to it."),
        (
            Grid(shape=(512, 512, 512), convention="monai"),
            "on a 512 x 512 x 512 grid with their own spacing; larger volumes are cropped and smaller ones padded "
            "with -1000 HU about the centre as MONAI's Spacing, SpatialPad and CenterSpatialCrop do.",
        ),
        (
            Grid(shape=(64, 64, 32), fit="crop"),
            "on a 64 x 64 x 32 grid with their own spacing; larger volumes are cropped about the centre, "
            "smaller ones stay as they are.",
        ),
        (Grid(fit="keep", spacing_mm=(1, 1, 2)), "with voxels of 1 x 1 x 2 mm, whatever their shape."),
        (Grid(fit="keep"), "with their own spacing, whatever their shape."),
    ],
)
def test_a_grid_says_how_volumes_are_brought_to_it(grid: Grid, sentence: str) -> None:
    told = words.protocol_sentences({"grid": grid.model_dump(mode="json")})
    assert told == [f"Volumes are compared {sentence}"]


def test_every_field_of_a_protocol_has_its_own_sentence() -> None:
    told = words.protocol_sentences(Protocol(name="mine", summary="A trial.", segmenter="phantom", volumes_per_side=9))
    assert len(told) == len(Protocol.model_fields)
    assert not any(sentence.startswith("Also fixed") for sentence in told)
    assert "Only the first 9 volumes of either side take part, names sorted as strings." in told


def test_a_results_protocol_leaves_nothing_untold() -> None:
    told = words.protocol_sentences(
        {
            "metric": "fid25d",
            "version": "3",
            "n_real": 8,
            "n_synthetic": 4,
            "grid": None,
            "extractor": {"name": "resnet", "version": "2", "weights_sha256": "ab" * 32},
            "reference": {"name": "phantom", "volumes": list(range(10))},
            "strict": True,
        }
    )
    assert told == [
        "Metric fid25d, version 3.",
        "8 real and 4 synthetic volumes are compared.",
        "Volumes are compared on the data set's grid; those of bare folders must share one.",
        "Features come from resnet 2 (weights SHA-256 abababababab…).",
        "Also fixed: reference: name phantom, volumes 0, 1, 2, 3, 4, 5, … (10 in all); strict: yes.",
    ]


def test_another_packages_field_of_the_same_name_is_told_as_it_is() -> None:
    assert words.protocol_sentences({"grid": "native"}) == ["Also fixed: grid: native."]


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({}, "The whole interval is worse than this floor"),
        ({"floor": 3.0}, "The interval reaches this floor"),
        ({"better": "higher", "floor": 3.0}, "The interval reaches this floor"),
        ({"better": "higher", "floor": 4.0}, "The whole interval is worse than this floor"),
    ],
)
def test_the_reading_sets_the_interval_against_the_floor(fid: Result, change: dict[str, object], phrase: str) -> None:
    assert phrase in words.reading(fid.model_copy(update=change))


def test_the_reading_claims_nothing_without_floor_or_interval(fid: Result) -> None:
    assert words.reading(fid.model_copy(update={"floor": None, "ci95": None})) == "fid25d is 3.14; lower is better."
    assert "interval" not in words.reading(fid.model_copy(update={"ci95": None}))


@pytest.mark.parametrize(
    ("gap", "limit", "phrase"),
    [(0.5, 0.2, "a sign of copying"), (0.1, 0.2, "no gap beyond chance"), (0.5, None, "too few volumes to say")],
)
def test_the_reading_tells_a_gap_between_training_and_held_out_split(
    fid: Result, gap: float, limit: float | None, phrase: str
) -> None:
    against = Against(n=16, train=1.0, train_values=(1.0,), held_out=1.0 + gap, gap=gap, gap_limit=limit)
    assert phrase in words.reading(fid.model_copy(update={"against": against}))


def test_the_reading_of_a_value_with_a_ceiling_names_both_ends(fid: Result) -> None:
    limits = {"ceiling": 0.95, "ceiling_note": "real images", "floor": 0.1, "floor_note": "shuffled masks"}
    told = words.reading(fid.model_copy(update=limits))
    assert "0.950 (real images)" in told and "0.100 (shuffled masks)" in told
    assert "difference from real" not in told


def test_the_reading_does_not_take_a_metrics_own_floor_for_what_real_volumes_score(fid: Result) -> None:
    told = words.reading(fid.model_copy(update={"floor": 0.1, "floor_note": "shuffled masks", "floor_values": ()}))
    assert "The floor is 0.100 (shuffled masks)." in told
    assert "Real volumes" not in told


def test_a_budget_says_whether_it_was_measured_or_predicted() -> None:
    absent = Budget(limit_bytes=24 * 2**30, kind="absent", card="none", within=None)
    measured = absent.model_copy(update={"kind": "measured", "card": "capped", "within": False})
    predicted = absent.model_copy(update={"kind": "predicted", "within": True})
    assert "nothing is known" in words.budget_sentence(absent)
    assert "measured on a larger card" in words.budget_sentence(measured) and "over" in words.budget_sentence(measured)
    assert "not measured" in words.budget_sentence(predicted) and "within" in words.budget_sentence(predicted)
