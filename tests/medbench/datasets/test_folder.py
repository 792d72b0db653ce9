"""A folder of volumes is a data set: ids, masks, split files, and what is said when they contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medbench.datasets.folder import FolderDataset
from medbench.errors import DataError, GeometryError

Write = Callable[..., object]


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


def test_a_mask_on_another_grid_is_refused_when_it_is_read(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a.nii.gz", shift_mm=3.0)
    with pytest.raises(GeometryError, match=r"labels/a\.nii\.gz .* is not on the grid of .*a\.nii\.gz .*: resample"):
        FolderDataset(root).cases("train")[0].read_label_map()


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


def test_verify_names_what_is_damaged_and_where_masks_lie_off(root: Path, write_mask: Write) -> None:
    write_mask(root / "labels" / "a.nii.gz", shift_mm=3.0)
    (root / "site.1" / "b.raw").write_bytes(b"short")
    (root / "site.1" / "c.nrrd").write_bytes(b"nothing")
    rows = {row["check"]: row for row in FolderDataset(root).verify()}
    assert rows["volumes"]["detail"] == "1 of 3 are sound (read to the last voxel)"
    assert rows["masks"]["detail"] == "0 of 1 are sound and on their volume's grid"
    assert "promises 240 bytes, found 5 bytes" in rows["b.mhd"]["detail"]
    assert "not a NRRD file" in rows["c.nrrd"]["detail"]
    assert all(not row["ok"] and row["mend"] for check, row in rows.items() if check != "layout")


def test_verify_reports_a_broken_layout_instead_of_raising(tmp_path: Path) -> None:
    (row,) = FolderDataset(tmp_path / "absent").verify()
    assert (row["ok"], row["mend"]) == (False, "check the path")
