"""Voxels on disk: their values as HU, and files that end early or claim too much."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import DataError, FormatError, GeometryError, IntensityError, SpecError
from medbench.imaging.formats import read_header, read_image


def noise(shape=(7, 6, 5), dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


def scaled_nifti(path, stored, slope, intercept):
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    image.to_filename(path)
    return np.asarray(nib.load(path).dataobj)


def test_whole_scaling_gives_int16(tmp_path):
    expected = scaled_nifti(tmp_path / "a.nii", noise().astype(np.uint16) % 4096, 1, -1024)
    voxels, _ = read_image(tmp_path / "a.nii")
    assert voxels.dtype == np.int16
    np.testing.assert_array_equal(voxels, expected)
    header = read_header(tmp_path / "a.nii")
    assert (header.dtype.name, header.scaled) == ("uint16", True)


def test_fractional_scaling_gives_float32(tmp_path):
    expected = scaled_nifti(tmp_path / "a.nii", noise(), 0.37, -1000)
    voxels, _ = read_image(tmp_path / "a.nii")
    assert voxels.dtype == np.float32
    np.testing.assert_allclose(voxels, expected, rtol=1e-6)
    assert read_header(tmp_path / "a.nii").scaled


def test_integers_beyond_int16_give_float32(tmp_path):
    big = noise(dtype=np.int32)
    big[0, 0, 0] = 40000
    nib.save(nib.Nifti1Image(big, np.eye(4)), tmp_path / "a.nii")
    voxels, _ = read_image(tmp_path / "a.nii")
    assert voxels.dtype == np.float32
    assert voxels[0, 0, 0] == 40000


SHAPE = (7, 6, 5)


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


def test_damaged_gzip_data(tmp_path, nifti, refusal):
    path = nifti(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(path, FormatError)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_counted(tmp_path, name, value, refusal):
    voxels = noise(dtype=np.float32)
    voxels[0, :2, 3] = value
    sitk.WriteImage(sitk.GetImageFromArray(voxels), tmp_path / name)
    assert "2 of 210 voxels" in refusal(tmp_path / name, IntensityError)


def test_signalling_nans_raise_no_warning(tmp_path, refusal, patched):
    signalling = 0x7FA00000
    assert "spacing" in refusal(patched(tmp_path / "a.nii", 84, "<I", signalling), GeometryError)
    voxels = noise(dtype=np.float32)
    voxels.view(np.uint32)[0, 0, 0] = signalling
    (tmp_path / "b.nrrd").write_bytes(
        b"NRRD0004\ntype: float\ndimension: 3\nsizes: 7 6 5\nendian: little\nencoding: raw\n\n" + voxels.tobytes("F")
    )
    assert "1 of 210 voxels" in refusal(tmp_path / "b.nrrd", IntensityError)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", ["99999 99999 99999", "2000 1000 500"])
def test_metaimage_and_nrrd_headers_that_claim_more_than_the_file_can_hold(
    tmp_path, shape, compressed, refusal, metaimage, nrrd
):
    for name in ("a.mhd", "a.mha"):
        refusal(metaimage(tmp_path, name, ("DimSize = 5 6 7", f"DimSize = {shape}"), compressed), FormatError)
    refusal(nrrd(tmp_path, ("sizes: 5 6 7", f"sizes: {shape}"), compressed), FormatError)


@pytest.mark.parametrize("keep", [1, 50, -10])
def test_truncated_compressed_metaimages_and_nrrds(tmp_path, keep, refusal, metaimage, nrrd):
    path = metaimage(tmp_path, compressed=True)
    cut(tmp_path / "a.zraw", keep)
    assert "a.zraw" in refusal(path, FormatError)
    assert "truncated" in refusal(cut(metaimage(tmp_path, "b.mha", compressed=True), -60), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path, compressed=True), -60), FormatError)


def test_truncated_plain_mha_and_nrrd(tmp_path, refusal, metaimage, nrrd):
    assert "truncated" in refusal(cut(metaimage(tmp_path, "a.mha"), -1), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path), -1), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path), 60), FormatError)


@pytest.mark.parametrize("limit", ["1e-6", "nonsense", "-1", "inf"])
def test_a_limit_on_what_a_header_may_claim(tmp_path, limit, nifti, monkeypatch):
    path = nifti(tmp_path / "a.nii.gz", noise((20, 20, 20)))
    monkeypatch.setenv("MEDBENCH_MAX_VOLUME_GIB", limit)
    with pytest.raises(FormatError if limit == "1e-6" else SpecError, match="MEDBENCH_MAX_VOLUME_GIB"):
        read_image(path)


def test_a_bomb_is_read_no_further_than_its_header_promises(tmp_path, nifti):
    path = nifti(tmp_path / "a.nii.gz")
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole + bytes(2**24)))
    np.testing.assert_array_equal(read_image(path)[0], noise())


def test_numbers_beyond_float32_are_named_like_infinity(tmp_path, refusal):
    huge = noise().astype(np.float64)
    huge[0, 0, 0] = 1e300
    nib.save(nib.Nifti1Image(huge, np.eye(4)), tmp_path / "a.nii")
    assert "1 of 210 voxels" in refusal(tmp_path / "a.nii", IntensityError)


def test_a_volume_beyond_this_machines_memory_is_named(tmp_path, nifti, refusal, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("medbench.imaging.formats.nifti.read_voxels", fail)
    assert "memory" in refusal(nifti(tmp_path / "a.nii"), DataError)
