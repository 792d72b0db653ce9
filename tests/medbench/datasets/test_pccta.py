"""The paper's private set: a documented layout, checked counts, a selection split that depends on ids alone."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.pccta import PcctaCounts, PcctaDataset
from medbench.errors import DataError
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume

Write = Callable[..., object]
COUNTS = PcctaCounts(train=6, test=2, select=2)


@pytest.fixture
def root(tmp_path: Path, write_volume: Write) -> Path:
    for number in range(6):
        write_volume(tmp_path / "train" / f"t{number}.nii.gz", number)
    for number in range(2):
        write_volume(tmp_path / "test" / f"h{number}.nii.gz", number)
    return tmp_path


def ids(root: Path) -> dict[str, list[str]]:
    dataset = PcctaDataset(root, counts=COUNTS)
    return {split: [case.id for case in dataset.cases(split)] for split in ("train", "select", "test")}


def test_the_published_counts_are_the_papers() -> None:
    assert PcctaDataset().counts == PcctaCounts(train=120, test=16, select=12)


def test_the_selection_split_is_part_of_the_training_folder_and_fixed(root: Path) -> None:
    found = ids(root)
    assert found == {"train": ["t1", "t2", "t3", "t4"], "select": ["t0", "t5"], "test": ["h0", "h1"]}


def test_the_selection_depends_on_ids_alone(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in ("test", "train"):
        for path in sorted((root / folder).iterdir(), reverse=True):
            (other / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, other / folder / path.name)
    assert ids(other) == ids(root)


def test_volumes_are_clipped_to_the_window_and_stay_int16(root: Path) -> None:
    voxels = np.full((6, 5, 4), -3024, np.int16)
    voxels[0], voxels[1] = 3071, 40
    Volume(voxels).write(root / "test" / "h0.nii.gz")
    case = pickle.loads(pickle.dumps(PcctaDataset(root, counts=COUNTS).cases("test")[0]))
    read = case.read_volume().voxels
    assert read.dtype == np.int16
    assert [int(plane[0, 0]) for plane in read[:3]] == [2000, 40, -1000]


def test_the_grid_crops_and_pads_about_the_centre(root: Path) -> None:
    dataset = PcctaDataset(root, counts=COUNTS)
    assert dataset.grid is not None
    assert (dataset.grid.shape, dataset.grid.fit, dataset.grid.spacing_mm) == ((512, 512, 256), "crop_pad", None)
    small = dataset.grid.model_copy(update={"shape": (4, 5, 6)})
    volume = dataset.cases("train")[0].read_volume()
    padded = to_grid(volume, small)
    assert np.array_equal(padded.voxels[:, :, 1:5], volume.voxels[1:5])
    assert (padded.voxels[:, :, 0] == -1000).all()


def test_masks_are_optional_and_named(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "h1.nii.gz")
    (root / "labels" / "labels.json").write_text('{"1": "heart_myocardium"}')
    first, second = PcctaDataset(root, counts=COUNTS).cases("test")
    assert first.read_label_map is None
    assert second.read_label_map is not None
    assert second.read_label_map().names == {1: "heart_myocardium"}


def test_a_wrong_count_says_what_was_expected_and_found(root: Path) -> None:
    (root / "test" / "h1.nii.gz").unlink()
    with pytest.raises(
        DataError, match=r"test has 1 volumes in place of 2: put 6 volumes into train/ and 2 into test/"
    ):
        PcctaDataset(root, counts=COUNTS).cases("train")


def test_a_missing_folder_says_the_layout(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "test")
    with pytest.raises(DataError, match=r"test: no such folder: put 6 volumes"):
        PcctaDataset(root, counts=COUNTS).cases("train")
    with pytest.raises(
        DataError, match=r"absent: no such folder: this set is private; if you hold it, put 120 volumes"
    ):
        PcctaDataset(tmp_path / "absent").cases("train")


def test_an_id_in_both_folders_is_a_leak(root: Path) -> None:
    (root / "test" / "h1.nii.gz").rename(root / "test" / "t1.nii.gz")
    with pytest.raises(DataError, match="'t1' is in train/ and in test/"):
        PcctaDataset(root, counts=COUNTS).cases("train")


def test_the_identity_changes_with_the_split_and_the_contents(root: Path, write_volume: Write) -> None:
    before = PcctaDataset(root, counts=COUNTS).identity()
    other = PcctaDataset(root, counts=COUNTS.model_copy(update={"select": 1})).identity()
    assert other["volumes"] != before["volumes"]
    write_volume(root / "train" / "t0.nii.gz", 99)
    assert PcctaDataset(root, counts=COUNTS).identity()["volumes"] != before["volumes"]
    json.dumps(before)


def test_verify_counts_each_split_and_checks_headers(root: Path) -> None:
    rows = PcctaDataset(root, counts=COUNTS).verify()
    assert [row["detail"] for row in rows] == [
        "train 4, select 2, test 2; 0 with a mask",
        "8 of 8 are sound (read to the last voxel)",
    ]
    assert all(row["ok"] for row in rows)
    (failed,) = PcctaDataset(root).verify()
    assert not failed["ok"]
