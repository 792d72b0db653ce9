"""Volumes and masks below a folder: which belong together, their identity, their checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.folder import FolderDataset
from medbench.errors import DataError

Write = Callable[..., object]


@pytest.mark.parametrize("folder", ["labels", "masks", "elsewhere"])
def test_masks_mirror_the_volumes_and_are_no_volumes(root: Path, write_mask: Write, folder: str) -> None:
    mask = write_mask(root / folder / "site.1" / "b.nii.gz")
    (root / folder / "labels.json").write_text('{"1": "lung_left", "2": "lung_right"}')
    dataset = FolderDataset(root, masks=root / folder if folder == "elsewhere" else None)
    cases = {case.id: case for case in dataset.cases("train")}
    assert [name for name, case in cases.items() if case.read_label_map] == ["site.1/b"]
    assert len(cases) == 3
    label_map = cases["site.1/b"].read_label_map()
    assert label_map.names == {1: "lung_left", 2: "lung_right"}
    assert np.array_equal(label_map.voxels, mask.voxels)


def test_masks_without_the_volumes_names_are_not_silently_ignored(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a_seg.nii.gz")
    with pytest.raises(DataError, match=r"no mask bears the name of a volume: call the mask of 'a' a\.nii\.gz"):
        FolderDataset(root).cases("train")


def test_the_identity_follows_contents_not_places(root: Path, write_volume: Write) -> None:
    before = FolderDataset(root).identity()
    moved = root.rename(root.with_name(f"{root.name}-moved"))
    assert FolderDataset(moved).identity() == before
    write_volume(moved / "a.nii.gz", 11)
    changed = FolderDataset(moved).identity()
    assert changed["volumes"] != before["volumes"]
    (moved / "splits.json").write_text('{"train": ["a", "site.1/b"], "test": ["site.1/c"]}')
    assert FolderDataset(moved).identity()["splits"] != changed["splits"]
    json.dumps(changed)


def test_verify_counts_and_checks_headers_and_masks(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a.nii.gz")
    write_mask(root / "labels" / "site.1" / "b.nii.gz")
    rows = FolderDataset(root).verify()
    assert [(row["check"], row["ok"], row["mend"]) for row in rows] == [
        ("layout", True, ""),
        ("volumes", True, ""),
        ("masks", True, ""),
    ]
    assert rows[0]["detail"] == "3 volumes: train 3, select 0, test 0, not listed 0; 2 with a mask"
