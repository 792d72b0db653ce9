"""``medbench budget`` as a user meets it."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench import registry

TINY = ("--model", "medlord", "--shape", "64x64x32")


def budget(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["budget", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("stage", ["sample", pytest.param("fit", marks=pytest.mark.slow)])
def test_the_document_has_the_contracts_keys(stage: str) -> None:
    code, out, errors = budget(*TINY, "--stage", stage, "--limit", "2GB", "--json")
    assert code == 0, errors
    document = json.loads(out)
    assert {name: document[name] for name in ("model", "preset", "shape", "stage", "limit_bytes", "fits")} == {
        "model": "medlord",
        "preset": "tiny",
        "shape": [64, 64, 32],
        "stage": stage,
        "limit_bytes": 2 * 2**30,
        "fits": True,
    }
    assert 0 < document["tensor_bytes"] < document["predicted_peak_bytes"] <= document["limit_bytes"]
    sizes = [tensor["bytes"] for tensor in document["largest_tensors"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(set(tensor) == {"bytes", "shape", "dtype", "layer"} for tensor in document["largest_tensors"])
    x, y, z = document["largest_shape_that_fits"]
    assert x == y == 2 * z >= 32


def test_what_does_not_fit_has_exit_code_3_and_says_what_is_needed() -> None:
    code, out, errors = budget(*TINY, "--limit", "1GB", "--json")
    assert code == 3
    document = json.loads(out)
    assert document["fits"] is False
    assert document["largest_shape_that_fits"] is None
    [line] = [line for line in errors.splitlines() if line.startswith("medbench: ")]
    assert "needs about 1.0 GiB of GPU memory, and only 1.0 GiB" in line


def test_in_words() -> None:
    code, out, errors = budget(*TINY, "--limit", "1.2GB")
    assert code == 0, errors
    assert "fits in 1.2 GiB" in out
    assert "predicted, not measured" in out
    assert "largest shape that fits: " in out


PREDICTED = [
    (name, preset, stage)
    for name in registry.names("generators")
    if hasattr(registry.load("generators", name), "predict")
    for preset in registry.load("generators", name).info.presets
    for stage in ("sample", "fit")
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "preset", "stage"), PREDICTED)
def test_every_preset_answers_at_its_own_shape_within_a_minute(model: str, preset: str, stage: str) -> None:
    """A minute of computing: what a busy machine adds is not the command's."""
    begun = time.process_time()
    code, out, errors = budget("--model", model, "--preset", preset, "--stage", stage, "--json")
    assert code in (0, 3), errors
    document = json.loads(out)
    assert document["fits"] is (code == 0)
    assert document["largest_tensors"][0]["bytes"] > 0
    largest = document["largest_shape_that_fits"]
    if document["fits"]:
        assert largest >= document["shape"]
    assert time.process_time() - begun < 60


def test_the_shape_of_the_preset_is_the_default() -> None:
    code, out, errors = budget("--model", "medlord", "--json")
    assert code == 0, errors
    assert json.loads(out)["shape"] == [64, 64, 32]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "medlord", "--shape", "60x64x32"), "every axis must be a multiple of 8"),
        (("--model", "medlord", "--shape", "64x64"), "write it like 512x512x256"),
        (("--model", "medlord", "--shape", "0x64x32"), "write it like 512x512x256"),
        (("--model", "real", "--shape", "64x64x32"), "real does not predict its memory"),
        ((*TINY, "--preset", "huge"), "choose from tiny"),
        ((*TINY, "--stage", "dream"), "choose from fit, sample"),
        ((*TINY, "--limit", "much"), "no memory size"),
        (("--model", "medlord", "--stage", "fit", "--shape", "16x16x16"), "crops are 32x32x32"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    code, out, errors = budget(*arguments)
    assert code == 2
    assert out == ""
    [line] = errors.splitlines()
    assert words in line
