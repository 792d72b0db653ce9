from __future__ import annotations

import pytest

from medbench.features.ct_fm import CtFm
from medbench.features.merlin_astra import MerlinAstra
from medbench.report.protocol_text import protocol_sentences
from medbench.spec import Grid, Protocol, SliceProtocol, Window


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
    told = " ".join(protocol_sentences(protocol))
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
    told = protocol_sentences({"grid": grid.model_dump(mode="json")})
    assert told == [f"Volumes are compared {sentence}"]


def test_every_field_of_a_protocol_has_its_own_sentence() -> None:
    told = protocol_sentences(Protocol(name="mine", summary="A trial.", segmenter="phantom", volumes_per_side=9))
    assert len(told) == len(Protocol.model_fields)
    assert not any(sentence.startswith("Also fixed") for sentence in told)
    assert "Only the first 9 volumes of either side take part, names sorted as strings." in told


def test_a_results_protocol_leaves_nothing_untold() -> None:
    told = protocol_sentences(
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
    assert protocol_sentences({"grid": "native"}) == ["Also fixed: grid: native."]


def test_a_networks_own_grid_and_window_are_told() -> None:
    told = [
        protocol_sentences({"volume_extractor": {"name": "net", "version": "1", "weights_sha256": "ab" * 32} | own})[0]
        for own in (CtFm.info.own_input(), MerlinAstra.info.own_input(), {})
    ]
    net = "Features of whole volumes come from net 1 (weights SHA-256 abababababab…)"
    assert told == [
        f"{net}, which sees them with voxels of 1 x 1 x 3 mm cropped to at most 320 x 320 x 128 voxels, clipped to "
        "-1024..2048 HU.",
        f"{net}, which sees them stretched to 224 x 224 x 160 voxels, clipped to -1000..200 HU.",
        f"{net}.",
    ]
