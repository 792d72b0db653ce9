"""Samples are made one by one, whatever their number; their conditions are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medbench.generators.base import Generator, SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.pipeline.conditions import conditions_of
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.pipeline.sample import Making, sample
from medbench.progress import silent
from medbench.records.manifest import Manifest


def test_samples_do_not_depend_on_their_number_or_order(options: RunOptions, tmp_path: Path) -> None:
    few = Run(replace(options, samples=2, out=tmp_path / "few"), silent)
    many = Run(replace(options, samples=4, out=tmp_path / "many"), silent)
    few.sample()
    many.sample()
    first, second = (Manifest(run.folder.samples).records() for run in (few, many))
    assert [first[i].sha256 for i in range(2)] == [second[i].sha256 for i in range(2)]


def _sample_conditionally(run: Run, generator: Generator, *, count: int) -> None:
    grid, folder = run.protocol.grid, run.folder.samples
    conditions = conditions_of("train", run.dataset, grid).items
    sample(Making(folder, 0, grid, conditions=conditions), generator, count=count, progress=silent)


def test_conditions_are_kept_beside_the_samples(options: RunOptions) -> None:
    run = Run(options, silent)
    _sample_conditionally(run, run.generator, count=2)
    kept = list(Manifest(run.folder.samples).records().values())
    assert [record.condition for record in kept] == ["conditions/000000.nii.gz", "conditions/000001.nii.gz"]
    assert [record.condition_source for record in kept] == ["train/train-0000", "train/train-0001"]
    first = LabelMap.read(run.folder.samples / str(kept[0].condition))
    assert first.content_hash() == run.dataset.cases("train")[0].read_label_map().content_hash()  # type: ignore[misc]


def test_conditions_are_read_one_at_a_time(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(options, silent)
    asked = []

    class Steered:
        info = run.info

        def sample(self, request: SampleRequest) -> Iterator[Volume]:
            assert request.conditions is not None
            asked.extend([len(request.conditions), len(request.conditions[1:])])
            monkeypatch.setattr(LabelMap, "read", _counted(asked, LabelMap.read))
            for label_map in request.conditions:
                assert "spine" in label_map.names.values()
                yield Volume(label_map.voxels.astype(np.int16), label_map.affine)

    _sample_conditionally(run, Steered(), count=3)
    assert asked == [3, 2, "read", "read", "read"]
    for record in Manifest(run.folder.samples).records().values():
        made, asked_for = (Volume.read(run.folder.samples / name) for name in (record.file, record.condition))
        np.testing.assert_array_equal(made.voxels, asked_for.voxels)


def _counted(told: list, read: Callable[..., LabelMap]) -> Callable[..., LabelMap]:
    def reading(*arguments: object) -> LabelMap:
        told.append("read")
        return read(*arguments)

    return reading
