"""Sample folders: what the manifest promises is what lies there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.generators.base import sample_seed
from medbench.imaging.volume import Volume
from medbench.records.collection import region_names
from medbench.records.manifest import Manifest, SampleRecord
from medbench.records.samples import content_once, open_folder
from medbench.storage.files import sha256_of


def _sample(folder: Path, index: int) -> SampleRecord:
    path = folder / f"{index:06d}.nii.gz"
    Volume(np.full((4, 4, 4), index, np.int16)).write(path)
    return SampleRecord(
        index=index,
        seed=sample_seed(0, index),
        file=path.name,
        sha256=sha256_of(path),
        shape=(4, 4, 4),
        spacing=(1, 1, 1),
        native_shape=(4, 4, 4),
        condition=None,
        seconds=0.1,
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    manifest = Manifest(tmp_path)
    for index in (2, 0, 1):
        manifest.append(_sample(tmp_path, index))
    return manifest


def test_items_come_in_the_order_of_their_index(manifest: Manifest) -> None:
    assert [item.id for item in open_folder(manifest.folder)] == ["000000", "000001", "000002"]


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_folder_that_does_not_match_its_manifest_is_refused(manifest: Manifest, damage: str) -> None:
    path = manifest.folder / "000001.nii.gz"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"other")
    with pytest.raises(DataError, match=r"000001\.nii\.gz"):
        open_folder(manifest.folder)


def test_masks_are_found_by_name_whatever_their_format(tmp_path: Path) -> None:
    for name in ("a", "site/b"):
        Volume(np.zeros((3, 3, 3), np.int16)).write(tmp_path / "volumes" / f"{name}.nii.gz")
        Volume(np.zeros((3, 3, 3), np.int16)).write(tmp_path / "masks" / f"{name}.nii")
    items = open_folder(tmp_path / "volumes", masks=tmp_path / "masks")
    assert [item.id for item in items] == ["a", "site/b"]
    assert all(item.mask is not None and item.mask.suffix == ".nii" for item in items)
    (tmp_path / "masks" / "a.nii").unlink()
    with pytest.raises(DataError, match="has no mask for a"):
        open_folder(tmp_path / "volumes", masks=tmp_path / "masks")


def _volume(path: Path) -> None:
    Volume(np.zeros((3, 3, 3), np.int16)).write(path)


@pytest.mark.parametrize("masks", ["labels", "masks", "made/labels"])
def test_masks_inside_the_folder_are_no_volumes(tmp_path: Path, masks: str) -> None:
    for name in ("a", "b"):
        _volume(tmp_path / f"{name}.nii.gz")
        _volume(tmp_path / masks / f"{name}.nii.gz")
    given = open_folder(tmp_path, masks=tmp_path / masks)
    assert [(item.id, item.mask) for item in given] == [(name, tmp_path / masks / f"{name}.nii.gz") for name in "ab"]
    if "/" not in masks:
        assert [(item.id, item.mask) for item in open_folder(tmp_path)] == [("a", None), ("b", None)]


def test_folders_of_masks_are_told_by_their_place(tmp_path: Path) -> None:
    _volume(tmp_path / "site" / "labels" / "a.nii.gz")
    assert [item.id for item in open_folder(tmp_path)] == ["site/labels/a"]
    with pytest.raises(DataError, match="holds masks but no volume"):
        open_folder(tmp_path / "site")


def test_masks_may_lie_above_the_volumes(tmp_path: Path) -> None:
    _volume(tmp_path / "a.nii.gz")
    _volume(tmp_path / "volumes" / "a.nii.gz")
    (item,) = open_folder(tmp_path / "volumes", masks=tmp_path)
    assert (item.path, item.mask) == (tmp_path / "volumes" / "a.nii.gz", tmp_path / "a.nii.gz")


def test_two_files_of_one_id_are_refused_among_volumes_and_masks(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "masks/a.nii.gz", "masks/a.nii"):
        _volume(tmp_path / name)
    with pytest.raises(DataError, match=r"are both volume 'a': keep one of them$"):
        open_folder(tmp_path, masks=tmp_path / "masks")
    _volume(tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"a\.nii and .*a\.nii\.gz are both volume 'a': keep one of them$"):
        open_folder(tmp_path)


class _Counting:
    """Keeps what it is told of."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int | None, int]] = []

    def track(self, items, *, task, total=None):
        known = list(items)
        self.seen.append((task, total, len(known)))
        yield from known

    def note(self, message: str) -> None:
        raise AssertionError(message)


@pytest.mark.parametrize("listed", [True, False])
def test_hashing_is_progress(manifest: Manifest, listed: bool) -> None:
    if not listed:
        manifest.path.unlink()
    progress = _Counting()
    assert len(open_folder(manifest.folder, progress=progress)) == 3
    assert progress.seen == [(f"read {manifest.folder.name}", 3, 3)]


def _mhd(folder: Path, name: str, data: str, voxels: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / data).write_bytes(voxels)
    (folder / name).write_text(f"NDims = 3\nDimSize = 2 2 2\nElementType = MET_CHAR\nElementDataFile = {data}\n")
    return folder / name


@pytest.mark.parametrize(("name", "data"), [("a.mhd", "voxels.raw"), ("a[1].mhd", "a[1].raw"), ("A.MHD", "A.RAW")])
def test_the_hash_of_an_mhd_follows_the_data_file_that_it_names(tmp_path: Path, name: str, data: str) -> None:
    same = [content_once(_mhd(tmp_path / folder, name, data, bytes(8))) for folder in ("one", "two")]
    other = content_once(_mhd(tmp_path / "three", name, data, bytes(range(8))))
    assert same[0] == same[1] != other


def test_files_beside_an_mhd_do_not_enter_its_hash(tmp_path: Path) -> None:
    path = _mhd(tmp_path, "a.mhd", "a.raw", bytes(8))
    before = content_once(path)
    (tmp_path / "a.txt").write_text("notes")
    assert content_once(path) == before


def test_region_names_must_be_a_mapping(tmp_path: Path) -> None:
    assert region_names(tmp_path) is None
    (tmp_path / "labels.json").write_text('["lung"]')
    with pytest.raises(DataError, match="must map label values to names"):
        region_names(tmp_path)
