"""The preset of a run: by name, from a file, with settings of the user's own, which its identity names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medbench import registry
from medbench.errors import SpecError
from medbench.pipeline.options import RunOptions
from medbench.pipeline.presets import Configured, choose_preset
from medbench.pipeline.run import Run
from medbench.progress import silent

MEDLORD = registry.load("generators", "medlord")


def chosen(*assignments: str, preset: str | None = None, cases: int = 100) -> Any:
    dataset: Any = SimpleNamespace(cases=lambda split: range(cases if split == "train" else 0))
    return choose_preset(MEDLORD, preset, assignments, dataset)


def config_of(found: Any) -> Any:
    return found.make("cpu").config


def test_without_settings_it_is_the_preset_itself() -> None:
    found = chosen(preset="paper")
    assert (found.plugin, found.preset, found.told) == (MEDLORD, "paper", "paper")
    assert chosen().preset == "tiny"


def test_a_setting_is_the_generators_and_part_of_the_name() -> None:
    found = chosen("stage2.steps=10", "stage2.precision=32-true")
    assert isinstance(found.plugin, Configured) and found.plugin.info is MEDLORD.info
    assert found.told == 'tiny[stage2.steps=10, stage2.precision="32-true"]'
    assert config_of(found).stage2.steps == 10
    assert found.plugin("paper", device="cpu").config == MEDLORD.presets["paper"]  # another preset is as it was


def test_a_part_that_is_left_out_is_told() -> None:
    assert chosen("stage3=none").told == 'tiny[stage3="none"]'


def test_what_changes_nothing_is_the_preset_itself() -> None:
    assert chosen("stage2.steps=16000").told == "tiny"


def test_order_does_not_matter_and_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('model = "medlord"\npreset = "tiny"\n[stage2]\nsteps = 10\nbatch = 2\n', encoding="utf-8")
    of_file = chosen(preset=str(file))
    assert of_file.told == chosen("stage2.batch=2", "stage2.steps=10").told == "tiny[stage2.steps=10, stage2.batch=2]"
    assert config_of(chosen("stage2.steps=11", preset=str(file))).stage2.steps == 11


def test_epochs_are_the_steps_that_see_every_case_so_often() -> None:
    assert config_of(chosen("stage2.epochs=3", "stage2.batch=8", cases=100)).stage2.steps == 38  # 300 cases, 8 a step
    assert config_of(chosen("stage2.epochs=0.5", "stage2.batch=4", "stage2.accumulate=2")).stage2.steps == 7
    assert "epochs" not in chosen("stage2.epochs=3").told


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (("stage2.epochs=0",), "no number of epochs"),
        (("stage2.epochs=many",), "no number of epochs"),
        (("stage2.epochs=3", "stage2.steps=3"), "both say how long stage2 trains"),
        (("network.epochs=3",), "no setting 'network.epochs'"),
        (("stage2.stpes=3",), "did you mean stage2.steps"),
    ],
)
def test_what_cannot_be_is_refused(assignments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        chosen(*assignments)


def test_epochs_without_a_data_set_are_refused() -> None:
    with pytest.raises(SpecError, match=r"give stage2\.steps"):
        choose_preset(MEDLORD, None, ["stage2.epochs=3"], None)


def test_a_file_of_another_generator_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('model = "ha-gan"\npreset = "tiny"\n', encoding="utf-8")
    with pytest.raises(SpecError, match="a preset of ha-gan, not of medlord: give --model ha-gan"):
        chosen(preset=str(file))


def test_a_generator_without_settings_says_so() -> None:
    with pytest.raises(SpecError, match="real has no settings"):
        choose_preset(registry.load("generators", "real"), None, ["steps=3"], None)


def test_settings_are_part_of_the_runs_identity(tmp_path: Path) -> None:
    def run(*settings: str) -> Run:
        return Run(RunOptions(model="ha-gan", dataset="phantom", train=True, settings=settings), silent)

    plain, changed = run(), run("gan.steps=5")
    assert plain.spec.preset == "tiny" and changed.spec.preset == "tiny[gan.steps=5]"
    assert plain.folder.path != changed.folder.path
    assert changed.folder.path == run("gan.steps=5").folder.path


def test_a_folder_of_other_settings_holds_another_run(tmp_path: Path) -> None:
    options = RunOptions(model="ha-gan", dataset="phantom", train=True, out=tmp_path, settings=("gan.epochs=1",))
    assert Run(options, silent).record.spec["preset"] == "tiny[gan.steps=80]"  # 640 training cases in batches of 8
    assert Run(replace(options, settings=("gan.steps=80",)), silent).record.spec["preset"] == "tiny[gan.steps=80]"
    with pytest.raises(SpecError, match=r"holds a run of another spec \(different: preset\)"):
        _ = Run(replace(options, settings=("gan.steps=81",)), silent).record
