from __future__ import annotations

import pytest

from medbench.errors import DataError, FormatError
from medbench.imaging.formats import survey, volume_parts


def touch(folder, *names, content=b"x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def found(folder):
    return [path.relative_to(folder).as_posix() for path in survey(folder).volumes]


def test_volumes_of_every_format_are_found_in_the_tree(tmp_path):
    touch(tmp_path, "a.nii.gz", "b.NII", "deep/er/c.mhd", "deep/er/c.raw", "deep/d.mha", "deep/e.NRRD")
    assert found(tmp_path) == ["a.nii.gz", "b.NII", "deep/d.mha", "deep/e.NRRD", "deep/er/c.mhd"]


def test_other_and_hidden_files_are_passed_over(tmp_path):
    touch(
        tmp_path,
        "a.nii",
        "manifest.jsonl",
        "notes.txt",
        "a.raw",
        ".b.nii",
        ".hidden/c.nii",
        "._a.nii",
        "d.png",
        "DICOMDIR",
    )
    assert found(tmp_path) == ["a.nii"]


def test_the_order_is_natural(tmp_path):
    touch(tmp_path, "s10.nii", "s9.nii", "S1.nii", "s2/b.nii", "s02.nii", "s2.nii", "10/a.nii", "9/a.nii")
    assert found(tmp_path) == ["9/a.nii", "10/a.nii", "S1.nii", "s02.nii", "s2.nii", "s2/b.nii", "s9.nii", "s10.nii"]


def test_a_dicom_folder_counts_as_one_volume(tmp_path):
    slices = [f"case2/IM{index}" for index in range(4)] + ["case10/a.dcm", "case10/b.dcm"]
    touch(tmp_path, *slices, content=b"\0" * 128 + b"DICM")
    touch(tmp_path, "case3.nii.gz", "case2/report.txt")
    assert found(tmp_path) == ["case2", "case3.nii.gz", "case10"]


def test_a_folder_may_itself_be_the_series(tmp_path):
    touch(tmp_path, "1.dcm", "2.dcm", content=b"\0" * 128 + b"DICM")
    assert survey(tmp_path).volumes == (tmp_path,)


def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "far/a.nii")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "case").symlink_to(tmp_path / "far")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    assert found(tmp_path / "set") == ["case/a.nii"]


@pytest.mark.parametrize("name", ["absent", "a.txt", "empty"])
def test_a_folder_that_is_absent_or_holds_no_volume(tmp_path, name):
    touch(tmp_path, "a.txt", "empty/b.txt")
    with pytest.raises(DataError, match=name):
        survey(tmp_path / name).require()


def parts(path):
    return [part.name for part in volume_parts(path)]


def test_a_header_and_the_data_file_it_names_make_up_a_volume(tmp_path):
    touch(tmp_path, "voxels/shared.raw", "a.raw", "a.mha", "b.nii.gz")
    touch(tmp_path, "a.mhd", "b[1].mhd", content=b"NDims = 3\nElementDataFile = voxels/shared.raw\n")
    touch(tmp_path, "c.mhd", content=b"ElementDataFile = LOCAL\n")
    assert parts(tmp_path / "a.mhd") == ["a.mhd", "shared.raw"]
    assert parts(tmp_path / "b[1].mhd") == ["b[1].mhd", "shared.raw"]
    assert parts(tmp_path / "c.mhd") == ["c.mhd"]
    assert parts(tmp_path / "a.mha") == ["a.mha"]
    assert parts(tmp_path / "b.nii.gz") == ["b.nii.gz"]


def test_a_header_that_names_no_data_file_has_no_parts(tmp_path):
    touch(tmp_path, "a.mhd", content=b"nothing")
    with pytest.raises(FormatError, match=r"a\.mhd"):
        volume_parts(tmp_path / "a.mhd")


def test_the_slices_of_a_series_are_its_parts(tmp_path):
    touch(tmp_path, "1.dcm", "2", content=b"\0" * 128 + b"DICM")
    touch(tmp_path, "notes.txt", "DICOMDIR", ".hidden", "other.nii")
    assert parts(tmp_path) == ["1.dcm", "2"]
