"""One door: every format against SimpleITK, and what is refused whatever the format."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import DataError, FormatError
from medbench.imaging.formats import read_header, read_image


@pytest.mark.parametrize("name", ["a.mhd", "a.mha", "a.nrrd", "a.nii.gz", "A.MHA"])
@pytest.mark.parametrize("compressed", [False, True])
def test_itk_and_medbench_place_voxels_alike(tmp_path, name, directions, compressed, itk_image, assert_same_as_itk):
    image = itk_image(directions)
    path = tmp_path / name
    if name == "A.MHA":  # ITK writes lower-case suffixes only
        sitk.WriteImage(image, tmp_path / "b.mha", compressed)
        (tmp_path / "b.mha").rename(path)
    else:
        sitk.WriteImage(image, path, compressed)
    assert_same_as_itk(path, image)


@pytest.mark.parametrize("suffix", [".mhd", ".mha", ".nrrd", ".nii"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64])
def test_every_real_type_on_disk_is_read(tmp_path, suffix, dtype, assert_same_as_itk):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(dtype))
    sitk.WriteImage(image, tmp_path / f"a{suffix}")
    voxels, _ = read_image(tmp_path / f"a{suffix}")
    assert voxels.dtype == np.int16
    header = read_header(tmp_path / f"a{suffix}")
    assert (header.dtype, header.scaled) == (np.dtype(dtype), False)
    assert_same_as_itk(tmp_path / f"a{suffix}", image)


def test_no_voxel_is_read(tmp_path):
    path = tmp_path / "v.nii.gz"
    voxels = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert read_header(path).shape == (20, 20, 20)


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "a.mha", "a.nrrd"])
def test_an_empty_file(tmp_path, name, refusal):
    (tmp_path / name).touch()
    assert "empty" in refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("content", [b"\x00" * 4000, b"<html>not found</html>" * 40, bytes(range(256)) * 8])
def test_a_file_that_is_something_else(tmp_path, name, content, refusal):
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a", "a.raw", "a.dcm", "nii.gz.txt"])
def test_an_unknown_suffix(tmp_path, name, refusal):
    (tmp_path / name).write_bytes(b"x")
    assert ".nii.gz" in refusal(tmp_path / name, FormatError)


def test_a_missing_file(tmp_path, refusal):
    assert "no such file" in refusal(tmp_path / "a.nii.gz", DataError)


def test_headers_alone_are_refused_as_with_voxels(tmp_path, refusal, metaimage, nrrd, patched):
    refused = [
        patched(tmp_path / "claim.nii.gz", 40, "<4h", 3, 32000, 32000, 32000),
        metaimage(tmp_path, replace=("DimSize = 5 6 7\n", "")),
        cut(nrrd(tmp_path), -1),
    ]
    for path in refused:
        assert refusal(path, FormatError, read_header) == refusal(path, FormatError)
    assert "no such file" in refusal(tmp_path / "absent.mha", DataError, read_header)


@pytest.mark.parametrize("shape", [(5, 4, 70), (2, 3, 32), (2, 2, 2)])
@pytest.mark.parametrize("flip", [1, -1])
def test_voxels_come_in_c_order_and_may_be_written_to(shape: tuple[int, int, int], flip: int, tmp_path: Path) -> None:
    wanted = np.random.default_rng(0).integers(-1000, 1000, shape, dtype=np.int16)
    nib.save(nib.Nifti1Image(wanted, np.diag([flip, 1.0, 1.0, 1.0])), tmp_path / "a.nii.gz")
    voxels, _ = read_image(tmp_path / "a.nii.gz")
    assert voxels.flags.c_contiguous
    assert np.array_equal(voxels, wanted[::flip])
    voxels += 1
