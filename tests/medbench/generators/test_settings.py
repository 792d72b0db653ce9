"""Settings of presets: named, typed, changed, and kept in TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from medbench import registry
from medbench.errors import SpecError
from medbench.generators.settings import (
    changed,
    differences,
    preset_file,
    read_assignments,
    read_preset_file,
    settings_of,
)
from medbench.pipeline.presets import presets_of

PRESETS = [
    (name, preset, config)
    for name in registry.names("generators")
    for preset, config in presets_of(registry.load("generators", name)).items()
]
TINY = dict(presets_of(registry.load("generators", "medlord")))["tiny"]


def test_every_generator_that_trains_has_settings() -> None:
    assert {name for name, _, _ in PRESETS} == set(registry.names("generators")) - {"real"}


@pytest.mark.parametrize(("name", "preset", "config"), PRESETS, ids=[f"{name}-{preset}" for name, preset, _ in PRESETS])
def test_what_is_listed_can_be_set_and_a_file_of_it_is_the_preset(
    name: str, preset: str, config: Any, tmp_path: Path
) -> None:
    settings = settings_of(config)
    assert len({one.key for one in settings}) == len(settings)
    assert not [one for one in settings if "<" in one.type or "typing" in one.type]  # types are words
    (tmp_path / "mine.toml").write_text(preset_file(name, preset, config), encoding="utf-8")
    file = read_preset_file(tmp_path / "mine.toml")
    assert (file.model, file.preset) == (name, preset)
    again = changed(config, file.changes, model=name)
    assert differences(again, config) == {} and again == config


@pytest.mark.parametrize("name", sorted({name for name, _, _ in PRESETS}))
def test_steps_batch_rate_and_precision_of_every_training_can_be_set(name: str) -> None:
    config = next(config for one, _, config in PRESETS if one == name)
    keys = {setting.key for setting in settings_of(config)}
    stages = {key.rpartition(".")[0] for key in keys if key.endswith(".batch")}
    assert stages
    for stage in stages:
        wanted = {f"{stage}.steps": 7, f"{stage}.batch": 3, f"{stage}.rate": 0.125, f"{stage}.precision": "32-true"}
        found = changed(config, wanted, model=name)
        assert {one.key: one.value for one in settings_of(found)}.items() >= wanted.items()
        assert differences(found, config).items() <= wanted.items()


def test_texts_are_read_as_toml_or_as_they_stand() -> None:
    texts = ["a.b=3", "a.c = 1e-4", "d=true", "e=[1, 2]", "f=32,32,16", "g=bf16-mixed", 'h="x=y"', "i=none"]
    assert read_assignments(texts) == {
        "a.b": 3, "a.c": 1e-4, "d": True, "e": [1, 2], "f": [32, 32, 16], "g": "bf16-mixed", "h": "x=y", "i": "none",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["stage2.steps", "=3", "stage2.steps="])
def test_what_sets_nothing_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=f"--set {text}: give KEY=VALUE"):
        read_assignments([text])


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("stage2.stpes", "did you mean stage2.steps"),
        ("steps", "did you mean stage1.steps or stage2.steps or stage3.steps"),
        ("follows", "no setting 'follows'"),
        ("stage2", "no setting 'stage2'"),
        ("zzz", "no setting 'zzz': 'medbench list presets --model medlord' shows all"),
    ],
)
def test_a_key_that_there_is_not_gets_the_nearest(key: str, near: str) -> None:
    with pytest.raises(SpecError, match=near):
        changed(TINY, {key: 3}, model="medlord")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage2.steps", 10.5), ("stage2.steps", "many"), ("stage2.steps", True), ("stage2.steps", 0),
        ("stage2.batch", -1), ("stage2.rate", 0), ("stage2.precision", "8-bit"), ("stage1.crop", [32, 32]),
        ("stage1.centred", 1),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(key: str, value: Any) -> None:
    with pytest.raises(SpecError, match=f"medlord takes no {key}"):
        changed(TINY, {key: value}, model="medlord")


def test_a_part_can_be_left_out_and_a_whole_number_is_a_number() -> None:
    without = changed(TINY, {"stage3": "none", "stage2.rate": 1}, model="medlord")
    assert without.stage3 is None and without.stage2.rate == 1.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = [", "is no TOML"),
        ("[stage2]\nsteps = 3", "names no 'model' and 'preset'"),
        ("model = 3\npreset = 'tiny'", "names no 'model' and 'preset'"),
    ],
)
def test_a_file_that_is_no_preset_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=words):
        read_preset_file(tmp_path / "mine.toml")


def test_a_file_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        read_preset_file(tmp_path / "mine.toml")


def test_a_file_says_where_its_preset_comes_from() -> None:
    text = preset_file("medlord", "tiny", TINY)
    assert text.startswith("# Follows neither")
    assert tomllib.loads(text)["stage2"]["steps"] == TINY.stage2.steps
    assert "steps = 16000  # integer" in text
