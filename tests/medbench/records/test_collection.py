"""Volumes and masks find each other by name; the rest is accounted for."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.imaging.volume import Volume
from medbench.records.collection import collect, match_masks, region_names, unmatched
from medbench.records.manifest import MANIFEST
from medbench.records.samples import open_folder, passed_over


def volumes(folder: Path, *names: str) -> None:
    for name in names:
        Volume(np.zeros((3, 3, 3), np.int16)).write(folder / name)


@pytest.mark.parametrize(
    ("volume", "mask"),
    [
        ("case_000_0000", "case_000"),
        ("s0", "s0.seg"),
        (unicodedata.normalize("NFD", "Müller"), unicodedata.normalize("NFC", "Müller")),
        ("site/case_0000", "site/case_0000"),
    ],
)
def test_names_of_other_tools_pair(volume: str, mask: str) -> None:
    path = Path("mask.nii.gz")
    assert match_masks([volume, "other"], {mask: path}) == {volume: path}


def test_the_very_name_comes_before_nnunets() -> None:
    exact, other = Path("exact"), Path("other")
    assert match_masks(["a_0000", "a"], {"a_0000": exact, "a": other}) == {"a_0000": exact, "a": other}


def test_two_masks_of_one_name_are_refused() -> None:
    with pytest.raises(DataError, match="are both the mask of 'a'"):
        match_masks(["a"], {"a": Path("a.nii"), "a.seg": Path("a.seg.nrrd")})


def test_masks_without_a_volume_are_told() -> None:
    masks = {"a": Path("a.nii"), "b": Path("b.nii")}
    (finding,) = unmatched(masks, match_masks(["a"], masks))
    assert (finding.severity, finding.file) == ("warning", "b.nii")


def test_what_lies_beside_volumes_and_masks_is_told(tmp_path: Path) -> None:
    volumes(tmp_path, "v/a.nii.gz", "v/labels/a.nii.gz", "m/a.nii.gz", "m/b.nii.gz")
    (tmp_path / "v/c.npy").write_bytes(b"x")
    (tmp_path / "m/labels.json").write_text('{"1": "lung"}')
    (tmp_path / "m/notes.txt").write_text("x")
    assert list(collect(tmp_path / "v").volumes) == ["a"]
    told = {(Path(one.file).relative_to(tmp_path).as_posix(), one.check) for one in passed_over(tmp_path / "v")}
    assert told == {("v/c.npy", "other_format"), ("v/labels/a.nii.gz", "mask")}
    told = {Path(one.file).name for one in passed_over(tmp_path / "v", masks=tmp_path / "m")}
    assert told == {"c.npy", "b.nii.gz", "notes.txt"}


def test_another_tools_manifest_is_passed_over_and_the_folder_read(tmp_path: Path) -> None:
    volumes(tmp_path, "a.nii.gz", "b.nii.gz")
    (tmp_path / MANIFEST).write_text('{"image": "a.nii.gz", "prompt": "chest CT"}\n')
    assert [item.id for item in open_folder(tmp_path)] == ["a", "b"]
    (finding,) = passed_over(tmp_path)
    assert "no manifest.jsonl of medbench's" in finding.detail


def test_volumes_that_a_manifest_does_not_list_are_told(tmp_path: Path) -> None:
    volumes(tmp_path, "000000.nii.gz", "extra.nii.gz")
    line = '{"index":0,"seed":1,"file":"000000.nii.gz","sha256":"0","shape":[3,3,3],"spacing":[1,1,1],'
    (tmp_path / MANIFEST).write_text(line + '"native_shape":[3,3,3],"condition":null,"seconds":1}\n')
    (finding,) = passed_over(tmp_path)
    assert (finding.severity, Path(finding.file).name, finding.check) == ("warning", "extra.nii.gz", "unlisted")


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    volumes(tmp_path, "a.nii.gz")
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"manifest\.jsonl is not UTF-8"):
        open_folder(tmp_path)


@pytest.mark.parametrize("text", ['{"-1": "x"}', '{"256": "x"}', '{"1000000000": "x"}'])
def test_a_name_for_what_no_label_can_be_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match="labels are integers from 1 to 255"):
        region_names(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"' + "1" * 10_000 + '": "x"}', '{"1": ' + "1" * 10_000 + "}", "\xff"]
)
def test_a_damaged_table_of_names_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="must map label values to names"):
        region_names(tmp_path)


def test_the_background_is_no_region(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"0": "background", "1": "lung"}')
    assert region_names(tmp_path) == {1: "lung"}
