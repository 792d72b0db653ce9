"""Each damaged or unsuitable file gets one clear line of the right class, and no library says anything beside it."""

from __future__ import annotations

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import DataError, FormatError, GeometryError, IntensityError
from medbench.imaging.formats import read_header, read_image

SHAPE = (7, 6, 5)
BYTES = 2 * 7 * 6 * 5


@pytest.fixture(autouse=True)
def nothing_else_is_printed(capfd, caplog):
    yield
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.text == ""


def noise(shape=SHAPE, dtype=np.int16):
    return np.random.default_rng(0).integers(-1024, 2000, shape).astype(dtype)


def nifti(path, voxels=None, affine=None):
    image = nib.Nifti1Image(noise() if voxels is None else voxels, np.eye(4) if affine is None else affine)
    image.to_filename(path)
    return path


def patched(path, offset, layout, *values):
    """Overwrite header fields of an uncompressed NIfTI-1 file; compress it if its name says so."""
    nifti(path.with_name("plain.nii"))
    content = bytearray(path.with_name("plain.nii").read_bytes())
    struct.pack_into(layout, content, offset, *values)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def metaimage(folder, name="a.mhd", replace=("", ""), compressed=False):
    sitk.WriteImage(sitk.GetImageFromArray(noise()), folder / name, compressed)
    content = (folder / name).read_bytes()
    assert replace[0].encode() in content
    (folder / name).write_bytes(content.replace(replace[0].encode(), replace[1].encode(), 1))
    return folder / name


def nrrd(folder, replace=("", ""), compressed=False):
    return metaimage(folder, "a.nrrd", replace, compressed)


def refusal(path, kind, read=read_image):
    """Return the one line with which a file is refused."""
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert caught.type is kind, message
    assert "\n" not in message
    assert str(path.parent) in message
    return message


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize("keep", [5, 40, 250, -20, -9, -1])
def test_a_truncated_nifti_gz(tmp_path, keep):
    message = refusal(cut(nifti(tmp_path / "a.nii.gz"), keep), FormatError)
    assert "a.nii.gz" in message
    assert "truncated" in message


def test_a_truncated_nifti_says_what_was_expected_and_found(tmp_path):
    message = refusal(cut(nifti(tmp_path / "a.nii"), 500), FormatError)
    assert f"{352 + BYTES} bytes" in message
    assert "500 bytes" in message


def test_a_nifti_gz_that_ends_before_its_voxels_begin(tmp_path):
    path = patched(tmp_path / "a.nii.gz", 108, "<f", 9000)
    packed = gzip.compress(gzip.decompress(path.read_bytes()) + noise((30, 20, 10)).tobytes())
    path.write_bytes(packed[: len(packed) // 3])
    assert "truncated" in refusal(path, FormatError)


def test_damaged_gzip_data(tmp_path):
    path = nifti(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(path, FormatError)


def test_a_plain_nifti_with_a_gz_name(tmp_path):
    nifti(tmp_path / "a.nii").rename(tmp_path / "a.nii.gz")
    assert "rename" in refusal(tmp_path / "a.nii.gz", FormatError)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "a.mha", "a.nrrd"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    assert "empty" in refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mhd", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("content", [b"\x00" * 4000, b"<html>not found</html>" * 40, bytes(range(256)) * 8])
def test_a_file_that_is_something_else(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a", "a.raw", "a.dcm", "nii.gz.txt"])
def test_an_unknown_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert ".nii.gz" in refusal(tmp_path / name, FormatError)


def test_a_missing_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "a.nii.gz", DataError)


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1), (7, 6, 5, 2), (7, 6, 5, 1, 3), (7, 6, 1, 5)])
def test_an_image_that_is_not_one_3d_volume(tmp_path, shape):
    assert "3D" in refusal(nifti(tmp_path / "a.nii.gz", noise(shape)), FormatError)


def test_flat_metaimages_and_nrrds(tmp_path):
    for name in ("a.mha", "a.nrrd"):
        sitk.WriteImage(sitk.GetImageFromArray(noise((6, 7))), tmp_path / name)
        assert "2D" in refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_counted(tmp_path, name, value):
    voxels = noise(dtype=np.float32)
    voxels[0, :2, 3] = value
    sitk.WriteImage(sitk.GetImageFromArray(voxels), tmp_path / name)
    assert "2 of 210 voxels" in refusal(tmp_path / name, IntensityError)


@pytest.mark.parametrize("spacing", [0.0, -1.5, np.nan, np.inf])
def test_impossible_nifti_spacing(tmp_path, spacing):
    assert "spacing" in refusal(patched(tmp_path / "a.nii.gz", 84, "<f", spacing), GeometryError)


def test_signalling_nans_raise_no_warning(tmp_path):
    signalling = 0x7FA00000
    assert "spacing" in refusal(patched(tmp_path / "a.nii", 84, "<I", signalling), GeometryError)
    voxels = noise(dtype=np.float32)
    voxels.view(np.uint32)[0, 0, 0] = signalling
    (tmp_path / "b.nrrd").write_bytes(
        b"NRRD0004\ntype: float\ndimension: 3\nsizes: 7 6 5\nendian: little\nencoding: raw\n\n" + voxels.tobytes("F")
    )
    assert "1 of 210 voxels" in refusal(tmp_path / "b.nrrd", IntensityError)


@pytest.mark.parametrize("spacing", ["0 1 1", "1 -1 1", "nan 1 1"])
def test_impossible_metaimage_spacing(tmp_path, spacing):
    path = metaimage(tmp_path, replace=("ElementSpacing = 1 1 1", f"ElementSpacing = {spacing}"))
    assert "spacing" in refusal(path, GeometryError)


@pytest.mark.parametrize("directions", ["(0,0,0) (0,1,0) (0,0,1)", "(nan,0,0) (0,1,0) (0,0,1)"])
def test_impossible_nrrd_spacing(tmp_path, directions):
    assert "spacing" in refusal(nrrd(tmp_path, ("(1,0,0) (0,1,0) (0,0,1)", directions)), GeometryError)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (0, 1, 0, 0), (np.nan, 0, 0, 0)])
def test_a_singular_sform(tmp_path, row):
    assert "affine" in refusal(patched(tmp_path / "a.nii", 280, "<4f", *row), GeometryError)


def test_parallel_axes(tmp_path):
    matrix = ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0 0 1 0 0 0 0 1")
    assert "singular" in refusal(metaimage(tmp_path, replace=matrix), GeometryError)
    assert "singular" in refusal(nrrd(tmp_path, ("(0,1,0) (0,0,1)", "(1,0,0) (0,0,1)")), GeometryError)


def test_a_qform_that_is_no_rotation(tmp_path):
    path = patched(tmp_path / "a.nii", 252, "<hh3f", 1, 0, 0.9, 0.9, 0.9)
    assert "qform" in refusal(path, GeometryError)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("shape", [(32000, 32000, 32000), (2000, 1000, 500)])
def test_a_nifti_header_that_claims_more_than_the_file_can_hold(tmp_path, name, shape):
    message = refusal(patched(tmp_path / name, 40, "<4h", 3, *shape), FormatError)
    assert str(2 * shape[0] * shape[1] * shape[2]) in message or str(352 + 2 * np.prod(shape)) in message


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", ["99999 99999 99999", "2000 1000 500"])
def test_metaimage_and_nrrd_headers_that_claim_more_than_the_file_can_hold(tmp_path, shape, compressed):
    for name in ("a.mhd", "a.mha"):
        refusal(metaimage(tmp_path, name, ("DimSize = 5 6 7", f"DimSize = {shape}"), compressed), FormatError)
    refusal(nrrd(tmp_path, ("sizes: 5 6 7", f"sizes: {shape}"), compressed), FormatError)


@pytest.mark.parametrize("offset", [0, 100, 1e12, np.nan, np.inf])
def test_an_impossible_vox_offset(tmp_path, offset):
    refusal(patched(tmp_path / "a.nii", 108, "<f", offset), FormatError)


@pytest.mark.parametrize("dim", [(3, -7, 6, 5), (3, 0, 6, 5), (9, 7, 6, 5), (0, 7, 6, 5)])
def test_an_impossible_dim(tmp_path, dim):
    refusal(patched(tmp_path / "a.nii", 40, "<4h", *dim), FormatError)


@pytest.mark.parametrize("code", [0, 32, 128, 9999])
def test_voxels_that_are_not_one_number_each(tmp_path, code):
    refusal(patched(tmp_path / "a.nii", 70, "<h", code), FormatError)


def test_an_mhd_without_its_raw(tmp_path):
    path = metaimage(tmp_path)
    (tmp_path / "a.raw").unlink()
    message = refusal(path, DataError)
    assert "a.mhd" in message
    assert "a.raw" in message


@pytest.mark.parametrize("size", [0, 100, BYTES - 1, BYTES + 1])
def test_a_raw_of_the_wrong_size(tmp_path, size):
    path = metaimage(tmp_path)
    (tmp_path / "a.raw").write_bytes(bytes(size))
    message = refusal(path, FormatError)
    assert f"{BYTES} bytes" in message
    assert f"found {size}" in message


@pytest.mark.parametrize("keep", [1, 50, -10])
def test_truncated_compressed_metaimages_and_nrrds(tmp_path, keep):
    path = metaimage(tmp_path, compressed=True)
    cut(tmp_path / "a.zraw", keep)
    assert "a.zraw" in refusal(path, FormatError)
    assert "truncated" in refusal(cut(metaimage(tmp_path, "b.mha", compressed=True), -60), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path, compressed=True), -60), FormatError)


def test_truncated_plain_mha_and_nrrd(tmp_path):
    assert "truncated" in refusal(cut(metaimage(tmp_path, "a.mha"), -1), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path), -1), FormatError)
    assert "truncated" in refusal(cut(nrrd(tmp_path), 60), FormatError)


@pytest.mark.parametrize(
    "replace",
    [
        ("DimSize = 5 6 7", "DimSize = five 6 7"),
        ("DimSize = 5 6 7", "DimSize = (5, 6, 7)"),
        ("DimSize = 5 6 7", "DimSize = -5 6 7"),
        ("Offset = 0 0 0", "Offset = 0 0"),
        ("ElementType = MET_SHORT", "ElementType = MET_OTHER"),
        ("ElementType = MET_SHORT", "ElementNumberOfChannels = 3\nElementType = MET_SHORT"),
        ("BinaryData = True", "BinaryData = False"),
        ("ElementDataFile = a.raw", "ElementDataFile = LIST"),
        ("ElementDataFile = a.raw", "ElementDataFile = slice%03d.raw 1 7 1"),
        ("ElementDataFile = a.raw", "HeaderSize = many\nElementDataFile = a.raw"),
        ("ElementDataFile = a.raw", ""),
    ],
)
def test_metaimage_headers_that_make_no_sense(tmp_path, replace):
    refusal(metaimage(tmp_path, replace=replace), FormatError)


@pytest.mark.parametrize(
    "replace",
    [
        ("sizes: 5 6 7", "sizes: nan 6 7"),
        ("sizes: 5 6 7", "sizes: 5 6"),
        ("type: short", "type: block"),
        ("encoding: raw", "encoding: hex"),
        ("encoding: raw", "encoding: raw\ndata file: a.raw"),
        ("(1,0,0) (0,1,0)", "(1,0) (0,1)"),
        ("(1,0,0) (0,1,0)", "(1,0) (0,0,1,0)"),
        ("space origin: (0,0,0)", "space origin: (0,0)"),
        ("NRRD", "NOPE"),
    ],
)
def test_nrrd_headers_that_make_no_sense(tmp_path, replace):
    refusal(nrrd(tmp_path, replace), FormatError)


def test_headers_alone_are_refused_as_with_voxels(tmp_path):
    refused = [
        patched(tmp_path / "claim.nii.gz", 40, "<4h", 3, 32000, 32000, 32000),
        metaimage(tmp_path, replace=("DimSize = 5 6 7\n", "")),
        cut(nrrd(tmp_path), -1),
    ]
    for path in refused:
        assert refusal(path, FormatError, read_header) == refusal(path, FormatError)
    assert "no such file" in refusal(tmp_path / "absent.mha", DataError, read_header)
