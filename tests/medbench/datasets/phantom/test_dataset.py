"""The phantom: deterministic, any shape, every structure in every case."""

from __future__ import annotations

import pytest

from medbench.datasets.phantom import dataset as module
from medbench.datasets.phantom.dataset import DEFAULT_SHAPE, SIZES, PhantomDataset, generate
from medbench.imaging.volume import LabelMap, Volume


def test_splits_are_disjoint_and_sized() -> None:
    dataset = PhantomDataset()
    ids = {split: {case.id for case in dataset.cases(split)} for split in SIZES}
    assert {split: len(found) for split, found in ids.items()} == SIZES
    assert len(set.union(*ids.values())) == sum(SIZES.values())
    first = [dataset.cases(split)[0].read_volume() for split in SIZES]
    assert len({volume.content_hash() for volume in first}) == len(SIZES)
    assert {volume.shape for volume in first} == {DEFAULT_SHAPE}


def test_volume_and_label_map_of_a_case_take_one_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(seed: int, shape: tuple[int, int, int]) -> tuple[Volume, LabelMap]:
        calls.append(seed)
        return generate(seed, shape)

    monkeypatch.setattr(module, "generate", counted)
    first, second = PhantomDataset(shape=(16, 16, 8)).cases("select")[:2]
    labels, volume = first.read_label_map(), first.read_volume()
    other = second.read_volume()
    again = first.read_volume()
    assert len(calls) == 3
    wanted = generate(calls[0], (16, 16, 8))
    assert (volume.content_hash(), labels.content_hash()) == tuple(one.content_hash() for one in wanted)
    assert again.content_hash() == volume.content_hash() != other.content_hash()
    assert again.voxels is not volume.voxels
