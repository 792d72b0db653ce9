"""Which files are one scan."""

from __future__ import annotations

import pytest

from medbench.errors import DataError, IntensityError
from medbench.imaging.formats import read_image, survey
from medbench.imaging.formats.dicom.scans import scan_at


def names(folder):
    return [path.relative_to(folder).as_posix() for path in survey(folder).volumes]


def split(folder, write_slices, hounsfield, series=1):
    """Write one series into two folders, as PACS do with long ones."""
    hu = hounsfield(seed=series)
    write_slices(folder / "000", hu[..., :3], series=series)
    write_slices(folder / "001", hu[..., 3:], series=series, first=3)
    return hu


def test_a_series_in_several_folders_is_one_scan(tmp_path, write_slices, hounsfield):
    found = {f"p{number}": split(tmp_path / f"p{number}", write_slices, hounsfield, number) for number in (1, 2)}
    assert names(tmp_path) == ["p1", "p2"]
    for name, hu in found.items():
        assert (read_image(tmp_path / name)[0][::-1, ::-1] == hu).all()


def test_objects_beside_a_split_series_do_no_harm(tmp_path, write_slices, write_object, hounsfield):
    split(tmp_path / "p", write_slices, hounsfield)
    write_object(tmp_path / "p/structures")
    assert names(tmp_path) == ["p"]
    assert len(scan_at(tmp_path / "p").objects) == 5


def test_a_split_series_beside_another_one_is_refused(tmp_path, write_slices, hounsfield):
    split(tmp_path / "p", write_slices, hounsfield)
    write_slices(tmp_path / "p/002", series=2)
    with pytest.raises(DataError, match=r"p/000 and .*p/001 hold one DICOM series between them"):
        survey(tmp_path)


def test_scans_that_share_a_series_number_but_not_their_places_stay_apart(tmp_path, write_slices, hounsfield):
    for number in range(3):  # as writers do that copy one header for all samples
        write_slices(tmp_path / f"s{number}", hounsfield(seed=number), series=1)
    assert names(tmp_path) == ["s0", "s1", "s2"]
    assert (read_image(tmp_path / "s1")[0][::-1, ::-1] == hounsfield(seed=1)).all()


def test_several_series_in_one_folder_are_listed(tmp_path, write_slices):
    for number in range(3):
        write_slices(tmp_path, series=number, first=10 * number)
    with pytest.raises(DataError, match=r"3 DICOM series in one folder: .*: move each into its own folder"):
        survey(tmp_path)


def test_enhanced_objects_are_scans_of_their_own(tmp_path, write_enhanced, hounsfield):
    write_enhanced(tmp_path / "a/image.dcm")
    for number in range(2):
        write_enhanced(tmp_path / f"b/s{number}.dcm", hounsfield(seed=number), series=number)
    assert names(tmp_path) == ["a", "b/s0.dcm", "b/s1.dcm"]
    assert (read_image(tmp_path / "b/s1.dcm")[0][::-1, ::-1] == hounsfield(seed=1)).all()


def test_a_folder_without_ct_says_what_it_holds(tmp_path, write_object):
    write_object(tmp_path / "x")
    with pytest.raises(IntensityError, match=r"no CT but RTSTRUCT"):
        scan_at(tmp_path / "x")
