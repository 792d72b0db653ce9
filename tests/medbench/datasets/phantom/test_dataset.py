"""The phantom: deterministic, any shape, every structure in every case."""

from __future__ import annotations

from medbench.datasets.phantom.dataset import DEFAULT_SHAPE, SIZES, PhantomDataset


def test_splits_are_disjoint_and_sized() -> None:
    dataset = PhantomDataset()
    ids = {split: {case.id for case in dataset.cases(split)} for split in SIZES}
    assert {split: len(found) for split, found in ids.items()} == SIZES
    assert len(set.union(*ids.values())) == sum(SIZES.values())
    first = [dataset.cases(split)[0].read_volume() for split in SIZES]
    assert len({volume.content_hash() for volume in first}) == len(SIZES)
    assert {volume.shape for volume in first} == {DEFAULT_SHAPE}
