"""NIfTI against nibabel, and its refusals in one clear line each."""

from __future__ import annotations

import gzip
import itertools
import re

import nibabel as nib
import numpy as np
import pytest

from medbench.errors import FormatError, GeometryError
from medbench.imaging.formats import read_header, read_image
from medbench.imaging.formats.nifti import write_nifti


def noise(shape=(7, 6, 5), dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
def test_nibabel_and_medbench_turn_nifti_alike(tmp_path, axes, signs, rotation, read_with_header):
    affine = np.eye(4)
    affine[:3, :3] = rotation(10, 5) @ (np.eye(3)[list(axes)] * signs * (0.7, 0.8, 1.5))
    affine[:3, 3] = (-10, 20, 30.5)
    nib.save(nib.Nifti1Image(noise(), affine), tmp_path / "a.nii.gz")
    reference = nib.as_closest_canonical(nib.load(tmp_path / "a.nii.gz"))
    voxels, turned = read_with_header(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(voxels, np.asarray(reference.dataobj))
    np.testing.assert_allclose(turned, reference.affine, atol=1e-6)
    assert nib.aff2axcodes(turned) == ("R", "A", "S")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_both_nifti_versions_and_byte_orders(tmp_path, kind, endianness):
    image = kind(noise(), np.eye(4), header=kind.header_class(endianness=endianness))
    image.to_filename(tmp_path / "a.nii")
    voxels, _ = read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(voxels, noise())


def test_one_frame_in_four_dimensions_is_one_volume(tmp_path):
    nib.save(nib.Nifti1Image(noise((7, 6, 5, 1)), np.eye(4)), tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii")[0].shape == (7, 6, 5)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("unknown", 1), ("micron", 0.001), ("meter", 1000)])
def test_nifti_units_are_honoured(tmp_path, unit, factor):
    steps = np.array([2.0, 3, 4]) / max(1, factor)
    image = nib.Nifti1Image(noise(), np.diag([*steps, 1]))
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(np.diag(read_image(tmp_path / "a.nii")[1])[:3], steps * factor, rtol=1e-6)


@pytest.mark.parametrize(("sform", "qform"), [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_without_orientation_nibabels_assumption_holds_and_is_told(tmp_path, sform, qform):
    image = nib.Nifti1Image(noise(), np.diag([-0.7, -0.8, 1.5, 1]))
    image.set_sform(image.affine, code=sform)
    image.set_qform(image.affine, code=qform)
    image.header.set_zooms((0.7, 0.8, 1.5))
    image.to_filename(tmp_path / "a.nii")
    reference = nib.as_closest_canonical(nib.load(tmp_path / "a.nii"))
    voxels, affine = read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(voxels, np.asarray(reference.dataobj))
    np.testing.assert_allclose(affine, reference.affine, atol=1e-5)
    assert read_header(tmp_path / "a.nii").orientation_stored is bool(sform or qform)


SHAPE = (7, 6, 5)

BYTES = 2 * 7 * 6 * 5


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize("keep", [5, 40, 250, -20, -9, -1])
def test_a_truncated_nifti_gz(tmp_path, keep, nifti, refusal):
    message = refusal(cut(nifti(tmp_path / "a.nii.gz"), keep), FormatError)
    assert "a.nii.gz" in message
    assert "truncated" in message


def test_a_truncated_nifti_says_what_was_expected_and_found(tmp_path, nifti, refusal):
    message = refusal(cut(nifti(tmp_path / "a.nii"), 500), FormatError)
    assert f"{352 + BYTES} bytes" in message
    assert "500 bytes" in message


def test_a_nifti_gz_that_ends_before_its_voxels_begin(tmp_path, refusal, patched):
    path = patched(tmp_path / "a.nii.gz", 108, "<f", 9000)
    packed = gzip.compress(gzip.decompress(path.read_bytes()) + noise((30, 20, 10)).tobytes())
    path.write_bytes(packed[: len(packed) // 3])
    assert "truncated" in refusal(path, FormatError)


@pytest.mark.parametrize(("written", "named"), [("a.nii", "b.nii.gz"), ("a.nii.gz", "b.nii")])
def test_the_first_bytes_say_whether_a_file_is_packed_not_its_name(tmp_path, written, named, nifti):
    nifti(tmp_path / written).rename(tmp_path / named)
    np.testing.assert_array_equal(read_image(tmp_path / named)[0], noise())
    (finding,) = read_header(tmp_path / named).findings
    assert (finding.severity, finding.check) == ("note", "container")


def test_a_file_that_was_packed_twice(tmp_path, nifti, refusal):
    path = nifti(tmp_path / "a.nii.gz")
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "compressed twice: unpack it once (gunzip)" in refusal(path, FormatError)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "a Git LFS pointer: fetch .*git lfs pull",
        ),
        (b"/annex/objects/SHA256E-s1--00.nii.gz\n", "a git-annex pointer: fetch .*git annex get"),
        (b"<!DOCTYPE html><html>not found</html>", "a web page: download"),
        (b"\x93NUMPY\1\0", r"a numpy array: write it with medbench\.Volume"),
        (b"\xfd7zXZ\0", "xz data: unpack"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_a_file_is_instead_is_told(tmp_path, content, said, packed, refusal):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content) if packed else content)
    assert re.search(said, refusal(tmp_path / "a.nii.gz", FormatError))


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1), (7, 6, 5, 2), (7, 6, 5, 1, 3), (7, 6, 1, 5)])
def test_an_image_that_is_not_one_3d_volume(tmp_path, shape, nifti, refusal):
    assert "3D" in refusal(nifti(tmp_path / "a.nii.gz", noise(shape)), FormatError)


@pytest.mark.parametrize("spacing", [0.0, -1.5, np.nan, np.inf])
def test_impossible_nifti_spacing(tmp_path, spacing, refusal, patched):
    assert "spacing" in refusal(patched(tmp_path / "a.nii.gz", 84, "<f", spacing), GeometryError)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (0, 1, 0, 0), (np.nan, 0, 0, 0)])
def test_a_singular_sform(tmp_path, row, refusal, patched):
    assert "affine" in refusal(patched(tmp_path / "a.nii", 280, "<4f", *row), GeometryError)


def test_a_qform_that_is_no_rotation(tmp_path, refusal, patched):
    path = patched(tmp_path / "a.nii", 252, "<hh3f", 1, 0, 0.9, 0.9, 0.9)
    assert "qform" in refusal(path, GeometryError)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("shape", [(32000, 32000, 32000), (2000, 1000, 500)])
def test_a_nifti_header_that_claims_more_than_the_file_can_hold(tmp_path, name, shape, refusal, patched):
    message = refusal(patched(tmp_path / name, 40, "<4h", 3, *shape), FormatError)
    assert str(2 * shape[0] * shape[1] * shape[2]) in message or str(352 + 2 * np.prod(shape)) in message


@pytest.mark.parametrize("offset", [0, 100, 1e12, np.nan, np.inf])
def test_an_impossible_vox_offset(tmp_path, offset, refusal, patched):
    refusal(patched(tmp_path / "a.nii", 108, "<f", offset), FormatError)


@pytest.mark.parametrize("dim", [(3, -7, 6, 5), (3, 0, 6, 5), (9, 7, 6, 5), (0, 7, 6, 5)])
def test_an_impossible_dim(tmp_path, dim, refusal, patched):
    refusal(patched(tmp_path / "a.nii", 40, "<4h", *dim), FormatError)


@pytest.mark.parametrize("code", [0, 32, 128, 9999])
def test_voxels_that_are_not_one_number_each(tmp_path, code, refusal, patched):
    refusal(patched(tmp_path / "a.nii", 70, "<h", code), FormatError)


def test_without_compression_files_of_one_shape_are_equally_long(tmp_path):
    for name, voxels in (("noise", noise((40, 30, 20))), ("smooth", np.full((40, 30, 20), 7, np.int16))):
        write_nifti(tmp_path / f"{name}.nii.gz", voxels, np.eye(4), stored=True)
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.nii.gz")[0], voxels)
    assert (tmp_path / "noise.nii.gz").stat().st_size == (tmp_path / "smooth.nii.gz").stat().st_size


def test_packed_files_are_plain_gzip_without_name_or_time(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", noise((40, 30, 20)), np.eye(4))
    packed = (tmp_path / "a.nii.gz").read_bytes()
    assert packed[3:8] == b"\0" * 5
    assert gzip.decompress(packed)[352:] == noise((40, 30, 20)).tobytes(order="F")
