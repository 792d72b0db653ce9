from __future__ import annotations

import os

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


def test_a_dicom_folder_counts_as_one_volume(tmp_path, write_slices):
    write_slices(tmp_path / "case2")
    write_slices(tmp_path / "case10", series=2, preamble=False)
    touch(tmp_path, "case3.nii.gz", "case2/report.txt")
    assert found(tmp_path) == ["case2", "case3.nii.gz", "case10"]


def test_a_folder_may_itself_be_the_series(tmp_path, write_slices):
    assert survey(write_slices(tmp_path / "s")).volumes == (tmp_path / "s",)


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


def test_the_slices_of_a_series_are_its_parts(tmp_path, write_slices):
    write_slices(tmp_path / "s/a")
    write_slices(tmp_path / "s/b", first=5)
    touch(tmp_path, "s/notes.txt", "s/.hidden", "s/other.nii")
    names = [path.relative_to(tmp_path / "s").as_posix() for path in volume_parts(tmp_path / "s")]
    assert names == [*(f"a/000{k}.dcm" for k in range(5)), *(f"b/000{k}.dcm" for k in range(5, 10))]


def told(folder):
    """Return severity and check of each file that is passed over, by its name."""
    return {path.name: (one.severity, one.check) for path, one in survey(folder).passed_over.items()}


def test_every_file_is_read_or_passed_over_with_a_reason(tmp_path, write_slices, write_object):
    write_slices(tmp_path / "ct")
    write_object(tmp_path / "structures")
    touch(tmp_path, "a.mhd", content=b"NDims = 3\nElementDataFile = a.raw\n")
    names = ["a.raw", "b.nii", "c.npy", "d.img", "d.hdr", "e.png", "f.nii.gz.part", "notes.txt", "LICENSE", "other.raw"]
    touch(tmp_path, *names)
    touch(tmp_path, "nothing", "unknown", content=b"\0\1\2\3\0\0\0\0\0")
    touch(tmp_path, ".hidden.nii", "._b.nii", ".git/config")
    (tmp_path / "notes_link.txt").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "again").symlink_to(tmp_path / "ct")
    assert found(tmp_path) == ["a.mhd", "b.nii", "ct"]
    other, note = ("warning", "other_format"), ("note", "other_file")
    assert told(tmp_path) == {
        **dict.fromkeys(("c.npy", "d.img", "d.hdr", "e.png", "f.nii.gz.part", "other.raw"), other),
        **dict.fromkeys(("nothing", "unknown"), other),
        **dict.fromkeys(("notes.txt", "LICENSE"), note),
        **dict.fromkeys((".hidden.nii", "._b.nii", ".git"), ("note", "hidden")),
        **dict.fromkeys(("notes_link.txt", "pipe"), ("note", "unreadable")),
        "again": ("note", "link"),
        "0000.dcm": ("note", "dicom_kind"),
    }
    detail = survey(tmp_path).passed_over[tmp_path / "c.npy"].detail
    assert detail.startswith("not read: ") and "1 .npy" in detail and "2 without a suffix" in detail


@pytest.mark.parametrize("name", ["b.nii.gz", "b.mha", "ct/0009.dcm", "ct/0009"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("../.git/annex/objects/absent"), r"a link that leads nowhere .1 of \d.*: fetch"),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "a Git LFS pointer .*git lfs pull",
        ),
        (lambda path: path.write_text("/annex/objects/SHA256E-s1--0.nii.gz\n"), "git-annex pointer .*git annex get"),
    ],
    ids=["link", "lfs", "annex"],
)
def test_what_bears_a_volumes_name_and_has_no_content_is_refused(tmp_path, write_slices, name, make, said):
    touch(tmp_path, "a.nii.gz")
    write_slices(tmp_path / "ct")
    make(tmp_path / name)
    with pytest.raises(DataError, match=said) as caught:
        survey(tmp_path)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_six_links_of_nine_volumes_are_counted(tmp_path):
    touch(tmp_path, "s0.nii", "s1.nii", "s2.nii")
    for number in range(3, 9):
        (tmp_path / f"s{number}.nii").symlink_to("absent")
    with pytest.raises(DataError, match=r"s3\.nii: a link that leads nowhere \(6 of 9 volumes below"):
        survey(tmp_path)


def test_a_fifo_or_an_unreadable_file_that_bears_a_volumes_name_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match=r"a\.nii\.gz: a FIFO, socket or device"):
        survey(tmp_path)


def test_a_name_that_is_not_utf8_is_refused_and_shown(tmp_path):
    os.close(os.open(os.fsencode(tmp_path) + b"/m\xfcller.nii", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(DataError, match=r"m\\udcfcller\.nii: its name is not UTF-8 .*: rename it") as caught:
        survey(tmp_path)
    str(caught.value).encode()


@pytest.mark.parametrize("content", [b"", b"\0" * 100])
def test_a_file_among_slices_that_should_be_one_is_refused(tmp_path, write_slices, content):
    touch(write_slices(tmp_path / "ct"), "IM7", content=content)
    with pytest.raises(FormatError, match=r"IM7: this DICOM file cannot be read"):
        survey(tmp_path)


def test_what_is_called_dicom_and_is_none_is_refused(tmp_path):
    touch(tmp_path, "a.nii", "s/image.dcm", content=b"\0" * 100)
    with pytest.raises(DataError, match=r"image\.dcm: no DICOM file in spite of its name"):
        survey(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["a.npy", "b.npy"],
            r"but 2 \.npy, which may hold volumes: write each with medbench\.Volume\(voxels, affine\)",
        ),
        (["a/0.png", "a/1.png"], r"but 2 \.png, .*: stack the slices"),
        (["a.zip"], r"but 1 \.zip.*: unpack it"),
        (["notes.txt"], r"put \.nii\.gz, "),
    ],
)
def test_a_folder_without_volumes_says_what_lies_there(tmp_path, names, said):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        survey(tmp_path).require()


def test_objects_alone_are_no_volumes_and_are_named(tmp_path, write_object):
    write_object(tmp_path / "structures")
    with pytest.raises(DataError, match=r"no volume below this folder, but 1 no CT: RTSTRUCT"):
        survey(tmp_path).require()


def test_a_file_in_place_of_a_folder(tmp_path):
    touch(tmp_path, "a.nii.gz")
    with pytest.raises(DataError, match="this is a file: give the folder"):
        survey(tmp_path / "a.nii.gz")
