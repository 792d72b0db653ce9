"""A folder of volumes is a data set: ids, masks, split files, and what is said when they contradict each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.folder import FolderDataset
from medbench.errors import DataError, GeometryError

Write = Callable[..., object]


@pytest.fixture
def root(tmp_path: Path, write_volume: Write) -> Path:
    """Three volumes in three formats."""
    write_volume(tmp_path / "a.nii.gz", 10)
    write_volume(tmp_path / "site.1" / "b.mhd", 20)
    write_volume(tmp_path / "site.1" / "c.nrrd", 30)
    return tmp_path


def ids(dataset: FolderDataset) -> dict[str, list[str]]:
    return {split: [case.id for case in dataset.cases(split)] for split in ("train", "select", "test")}


def test_ids_are_relative_paths_without_suffixes_and_all_train(root: Path) -> None:
    assert ids(FolderDataset(root)) == {"train": ["a", "site.1/b", "site.1/c"], "select": [], "test": []}


def test_every_format_hands_over_the_stored_voxels(root: Path) -> None:
    firsts = [case.read_volume().voxels[0, 0, 0] for case in FolderDataset(root).cases("train")]
    assert firsts == [10, 20, 30]


def test_the_root_falls_back_to_medbench_data(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path.parent / f"{tmp_path.name}-data"
    data.mkdir()
    (data / "folder").symlink_to(root)
    monkeypatch.setenv("MEDBENCH_DATA", str(data))
    assert len(FolderDataset().cases("train")) == 3


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


def test_a_mask_on_another_grid_is_refused_when_it_is_read(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a.nii.gz", shift_mm=3.0)
    with pytest.raises(GeometryError, match=r"labels/a\.nii\.gz .* is not on the grid of .*a\.nii\.gz .*: resample"):
        FolderDataset(root).cases("train")[0].read_label_map()


def test_masks_without_the_volumes_names_are_not_silently_ignored(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a_seg.nii.gz")
    with pytest.raises(DataError, match=r"no mask bears the name of a volume: call the mask of 'a' a\.nii\.gz"):
        FolderDataset(root).cases("train")


def test_two_folders_of_masks_need_a_word(root: Path, write_mask: Write) -> None:
    for folder in ("labels", "masks"):
        write_mask(root / folder / "a.nii.gz")
    with pytest.raises(DataError, match="both labels/ and masks/"):
        FolderDataset(root).cases("train")
    assert FolderDataset(root, masks=root / "masks").cases("train")[0].read_label_map


def test_masks_behind_a_link_are_no_volumes(
    root: Path, write_mask: Write, tmp_path_factory: pytest.TempPathFactory
) -> None:
    far = tmp_path_factory.mktemp("far")
    write_mask(far / "a.nii.gz")
    (root / "labels").symlink_to(far)
    assert [case.id for case in FolderDataset(root).cases("train")] == ["a", "site.1/b", "site.1/c"]


def test_the_identity_follows_the_voxels_of_an_mhd_whatever_its_files_are_called(root: Path) -> None:
    header = root / "site.1" / "b.mhd"
    (root / "site.1" / "b.raw").rename(root / "site.1" / "voxels.raw")
    header.write_text(header.read_text().replace("b.raw", "voxels.raw"))
    before = FolderDataset(root).identity()
    (root / "site.1" / "voxels.raw").write_bytes(bytes(240))
    assert FolderDataset(root).identity() != before


def test_a_folder_of_masks_alone_holds_no_volume(tmp_path: Path, write_mask: Write) -> None:
    write_mask(tmp_path / "labels" / "a.nii.gz")
    with pytest.raises(DataError, match="holds masks but no volume"):
        FolderDataset(tmp_path).cases("train")


def test_one_id_in_two_formats_is_refused(root: Path, write_volume: Write) -> None:
    write_volume(root / "a.mha")
    with pytest.raises(DataError, match=r"are both volume 'a': keep one"):
        FolderDataset(root).cases("train")


def test_json_splits_and_leaves_out_what_it_does_not_list(root: Path) -> None:
    (root / "splits.json").write_text(json.dumps({"train": ["site.1/b.mhd"], "test": ["a"]}))
    assert ids(FolderDataset(root)) == {"train": ["site.1/b"], "select": [], "test": ["a"]}


def test_csv_splits_by_patient(root: Path) -> None:
    (root / "splits.csv").write_text(
        "id,split,patient\nsite.1/c,train,P1\nsite.1/b,train,P1\na,select,\n", encoding="utf-8-sig"
    )
    dataset = FolderDataset(root)
    assert [(case.id, case.patient) for case in dataset.cases("train")] == [("site.1/c", "P1"), ("site.1/b", "P1")]
    assert [(case.id, case.patient) for case in dataset.cases("select")] == [("a", "a")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("splits.json", '{"train": ["a", "ghost"]}', r"lists 'ghost', and no volume has this id"),
        ("splits.json", '{"train": ["a"], "test": ["a.nii.gz"]}', r"lists 'a' twice: delete one"),
        ("splits.json", '{"validation": ["a"]}', r"into the split 'validation': use one of train, select, test"),
        ("splits.json", '["a"]', r"does not list ids by split: write \{"),
        ("splits.json", "{train: a}", r"is not JSON \(line 1: .*\): write \{"),
        ("splits.csv", "id;split\na;train\n", r"has no column id and split: its first line must be"),
        ("splits.csv", "id,split\na,train\na,train\n", r"lists 'a' twice"),
        ("splits.csv", "id,split\n,train\n", r"lists '', and no volume has this id"),
        ("splits.csv", "id,split\na\n", r"puts 'a' into the split '': use one of"),
        (
            "splits.csv",
            "id,split,patient\na,train,P1\nsite.1/b,test,P1\n",
            r"has patient 'P1' in both train and test: put all volumes of a patient into one split",
        ),
    ],
)
def test_a_wrong_split_file_is_one_line_that_names_it(root: Path, name: str, text: str, message: str) -> None:
    (root / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        FolderDataset(root).cases("train")
    assert str(root / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_split_files_are_refused(root: Path) -> None:
    (root / "splits.json").write_text("{}")
    (root / "splits.csv").write_text("id,split\n")
    with pytest.raises(DataError, match=r"both splits\.json and splits\.csv"):
        FolderDataset(root).cases("train")


def test_a_split_file_in_another_encoding_is_refused(root: Path) -> None:
    (root / "splits.csv").write_bytes("id,split\nm\u00fcller,train\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"splits\.csv is not UTF-8"):
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
        ("headers", True, ""),
        ("masks", True, ""),
    ]
    assert rows[0]["detail"] == "3 volumes: train 3, select 0, test 0, not listed 0; 2 with a mask"


def test_verify_names_what_is_damaged_and_where_masks_lie_off(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a.nii.gz", shift_mm=3.0)
    (root / "site.1" / "b.raw").write_bytes(b"short")
    (root / "site.1" / "c.nrrd").write_bytes(b"nothing")
    rows = {row["check"]: row for row in FolderDataset(root).verify()}
    assert rows["headers"]["detail"] == "1 of 3 are sound"
    assert rows["masks"]["detail"] == "0 of 1 are on their volume's grid"
    assert "promises 240 bytes, found 5 bytes" in rows["b.mhd"]["detail"]
    assert "not a NRRD file" in rows["c.nrrd"]["detail"]
    assert all(not row["ok"] and row["mend"] for check, row in rows.items() if check != "layout")


def test_verify_reports_a_broken_layout_instead_of_raising(tmp_path: Path) -> None:
    (row,) = FolderDataset(tmp_path / "absent").verify()
    assert (row["ok"], row["mend"]) == (False, "check the path")
