from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from medbench.imaging.volume import Volume
from medbench.reader_study.dicom import read_slices, uid, write_series
from medbench.reader_study.study import WINDOWS

SPACING = (0.70312, 0.70312, 1.25)


def voxels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 3071, (20, 16, 12)).astype(np.int16)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "C001", voxels(), spacing_mm=SPACING, name="C001", window=WINDOWS[0])
    return tmp_path / "C001"


def test_a_series_reads_back_voxel_for_voxel(series: Path) -> None:
    volume = Volume.read(series)
    np.testing.assert_array_equal(volume.voxels, voxels())
    np.testing.assert_allclose(volume.spacing_mm, SPACING, atol=1e-5)


def test_slices_are_read_back_as_any_reader_reads_them(series: Path) -> None:
    slices = read_slices(series)
    np.testing.assert_array_equal(slices.transpose(2, 1, 0), Volume.read(series).voxels)
    assert slices.flags.c_contiguous
    assert slices.dtype == np.dtype("<i2")


def test_simpleitk_opens_it_as_one_volume(series: Path) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    image = reader.Execute()
    assert image.GetSize() == (20, 16, 12)
    np.testing.assert_allclose(image.GetSpacing(), SPACING, atol=1e-5)
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_slices_lie_equally_far_apart_and_every_instance_has_a_uid_of_its_own(series: Path) -> None:
    slices = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
    heights = np.array([float(slice_.ImagePositionPatient[2]) for slice_ in slices])
    np.testing.assert_allclose(np.diff(heights), SPACING[2], atol=1e-9)
    assert len({slice_.SOPInstanceUID for slice_ in slices}) == 12
    assert len({slice_.SeriesInstanceUID for slice_ in slices}) == 1
    assert all(slice_.SOPInstanceUID == slice_.file_meta.MediaStorageSOPInstanceUID for slice_ in slices)
    assert all(len(str(part)) <= 16 for slice_ in slices for part in slice_.ImagePositionPatient)


def test_two_cases_are_equally_long_and_differ_in_random_uids_alone(series: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "C002", voxels(1), spacing_mm=SPACING, name="C002", window=WINDOWS[0])
    sizes = [[path.stat().st_size for path in sorted(folder.iterdir())] for folder in (series, tmp_path / "C002")]
    assert sizes[0] == sizes[1]
    one, other = (pydicom.dcmread(folder / "0003.dcm") for folder in (series, tmp_path / "C002"))
    differing = {element.keyword for element in one if element.value != other[element.tag].value}
    uids = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"}
    assert differing == uids | {"PatientName", "PatientID", "PixelData"}


def test_uids_are_random_and_equally_long() -> None:
    found = {uid() for _ in range(50)}
    assert len(found) == 50
    assert {len(one) for one in found} == {44}
    assert all(one.is_valid and one.startswith("2.25.") for one in found)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dciodvfy: apt-get install dicom3tools")
def test_the_standard_s_validator_finds_no_error(series: Path) -> None:
    for path in (series / "0001.dcm", series / "0012.dcm"):
        found = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert "CTImage" in found.stderr
        assert [line for line in found.stderr.splitlines() if line.startswith("Error")] == []
