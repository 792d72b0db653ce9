"""Where the label maps come from that steer samples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from medbench import registry
from medbench.datasets.phantom.dataset import generate
from medbench.errors import DataError, MedbenchError, NotEnoughCasesError, SpecError
from medbench.generators.base import SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.pipeline.conditions import Conditions, conditions_of, of_cases, split_for
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.records.manifest import Manifest
from medbench.spec import Grid

SHAPE = (32, 32, 16)


@pytest.fixture
def steered(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """A run of a generator that yields its conditions as volumes."""
    plugin = registry.load("generators", options.model)

    def sample(self: object, request: SampleRequest) -> Iterator[Volume]:
        assert request.conditions is not None
        for label_map in request.conditions:
            yield Volume(label_map.voxels.astype(np.int16), label_map.affine)

    monkeypatch.setattr(plugin, "sample", sample)
    monkeypatch.setattr(plugin, "info", replace(plugin.info, capabilities=("unconditional", "conditional")))
    return replace(options, samples=2)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Three label maps of a user's own, on another grid than the canonical one."""
    folder = tmp_path / "maps"
    for seed in (7, 8, 9):
        _, label_map = generate(seed, (16, 16, 8))
        label_map.write(folder / f"case{seed}.nii.gz")
    names = {str(value): name for value, name in label_map.names.items()}
    (folder / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    return folder


def _sources(run: Run) -> list[str | None]:
    return [record.condition_source for record in Manifest(run.folder.samples).records().values()]


@pytest.mark.parametrize("split", ["train", "select", "test"])
def test_a_split_steers_in_its_order(split: str, steered: RunOptions) -> None:
    run = Run(replace(steered, conditions=split), silent)
    run.sample()
    assert _sources(run) == [f"{split}/{split}-0000", f"{split}/{split}-0001"]
    assert run.spec.conditions == split
    first = run.dataset.cases(split)[0].read_label_map()  # type: ignore[arg-type,misc]
    np.testing.assert_array_equal(Volume.read(run.folder.samples / "000000.nii.gz").voxels, first.voxels)


def test_held_out_label_maps_steer_unless_every_metric_wants_others() -> None:
    assert split_for(("adherence",)) == "test"
    assert split_for(("adherence", "downstream")) == "test"
    assert split_for(("downstream",)) == "train"
    assert split_for(()) == "test"


def test_conditional_alone_takes_held_out_label_maps(steered: RunOptions) -> None:
    assert Run(replace(steered, conditional=True), silent).spec.conditions == "test"
    assert Run(replace(steered, conditional=True, metrics=("downstream",)), silent).spec.conditions == "train"
    assert Run(steered, silent).spec.conditions is None


def test_what_makes_nothing_without_a_label_map_is_given_those_of_the_training_split(
    steered: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.load("generators", steered.model)
    monkeypatch.setattr(plugin, "info", replace(plugin.info, capabilities=("conditional",)))
    told: list[str] = []
    monkeypatch.setattr(silent, "note", told.append)
    run = Run(steered, silent)
    run.sample()
    assert run.spec.conditions == "train"
    assert Run(replace(steered, samples=None), silent).spec.samples == len(run.held_out)
    assert _sources(run) == ["train/train-0000", "train/train-0001"]
    assert "only draws label maps: its samples show those of the training split" in told[-1]


def test_a_folder_of_ones_own_steers_and_is_brought_to_the_grid(steered: RunOptions, maps: Path) -> None:
    run = Run(replace(steered, samples=None, conditions=str(maps)), silent)
    run.sample()
    assert _sources(run) == [str(maps / f"case{seed}.nii.gz") for seed in (7, 8, 9)]
    kept = LabelMap.read(run.folder.samples / "conditions" / "000000.nii.gz")
    assert kept.shape == SHAPE
    assert run.spec.conditions is not None and re.fullmatch("[0-9a-f]{12}", run.spec.conditions)


def test_other_label_maps_are_another_run(steered: RunOptions, maps: Path) -> None:
    options = replace(steered, conditions=str(maps))
    Run(options, silent).sample()
    generate(1, (16, 16, 8))[1].write(maps / "case8.nii.gz")
    with pytest.raises(SpecError, match=r"another spec \(different: conditions\)"):
        Run(options, silent).sample()


def test_what_a_run_has_kept_steers_another(steered: RunOptions, tmp_path: Path) -> None:
    first = Run(replace(steered, conditions="train"), silent)
    first.sample()
    second = Run(replace(steered, conditions=str(first.folder.samples / "conditions"), out=tmp_path / "second"), silent)
    second.sample()
    hashes = [[one.sha256 for one in Manifest(run.folder.samples).records().values()] for run in (first, second)]
    assert hashes[0] == hashes[1]


class TestBadInput:
    refusals: ClassVar = [
        ("nowhere", SpecError, "neither train, select, test nor a folder"),
        ("empty", DataError, "empty"),
        ("unnamed", DataError, "has no labels.json"),
    ]

    @pytest.mark.parametrize(("name", "kind", "words"), refusals)
    def test_a_folder_that_is_none_is_named(
        self, name: str, kind: type[MedbenchError], words: str, tmp_path: Path, options: RunOptions
    ) -> None:
        (tmp_path / "empty").mkdir()
        generate(1, (8, 8, 8))[1].write(tmp_path / "unnamed" / "case.nii.gz")
        with pytest.raises(kind, match=words):
            conditions_of(str(tmp_path / name), Run(options, silent).dataset, Grid(shape=SHAPE))

    def test_a_value_without_a_name_is_named(self, steered: RunOptions, maps: Path) -> None:
        (maps / "labels.json").write_text('{"1": "lung_left"}', encoding="utf-8")
        with pytest.raises(DataError, match=r"case7.nii.gz has the label 2, which .*labels.json does not name"):
            Run(replace(steered, conditions=str(maps)), silent).sample()

    def test_fewer_maps_than_samples(self, steered: RunOptions, maps: Path) -> None:
        with pytest.raises(NotEnoughCasesError, match="3 label maps are not enough for 4 samples"):
            Run(replace(steered, samples=4, conditions=str(maps)), silent)

    def test_a_model_that_cannot_be_steered(self, options: RunOptions) -> None:
        with pytest.raises(SpecError, match="is not conditional: leave out --conditional and --conditions"):
            Run(replace(options, conditions="train"), silent)

    def test_a_case_without_a_label_map(self, steered: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
        run = Run(replace(steered, conditions="select"), silent)
        bare = [replace(case, read_label_map=None) for case in run.dataset.cases("select")]
        monkeypatch.setattr(run, "conditions", Conditions("select", of_cases(bare, None)))
        with pytest.raises(SpecError, match=r"the case select-0000 \(select\) has none"):
            run.sample()
