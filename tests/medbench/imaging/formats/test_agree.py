"""Every reader against an independent one: nibabel for NIfTI, SimpleITK for NIfTI, MetaImage and NRRD.

A header alone tells the grid that reading gives, and how the voxels are stored.
"""

from __future__ import annotations

import bz2
import gzip
import itertools

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.imaging.formats import read_header, read_image


def noise(shape=(7, 6, 5), dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


def rotation(degrees_x, degrees_z):
    a, b = np.radians([degrees_x, degrees_z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return about_x @ about_z


def itk_image(directions, dtype=np.int16):
    image = sitk.GetImageFromArray(noise((5, 6, 7), dtype))
    image.SetSpacing((0.7, 0.8, 1.5))
    image.SetOrigin((-110.5, 20.25, -900.0))
    image.SetDirection(np.asarray(directions, float).ravel().tolist())
    return image


def read_with_header(path):
    """Return what is read; the header alone must tell its grid."""
    voxels, affine = read_image(path)
    header = read_header(path)
    assert header.shape == voxels.shape
    np.testing.assert_array_equal(header.affine, affine)
    return voxels, affine


def assert_same_as_itk(path, image):
    """ITK reorients the image it wrote to RAS by itself; voxels and affine must agree."""
    turned = sitk.DICOMOrient(image, "RAS")
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(turned.GetDirection(), (3, 3)) * turned.GetSpacing()
    lps[:3, 3] = turned.GetOrigin()
    voxels, affine = read_with_header(path)
    np.testing.assert_array_equal(voxels, sitk.GetArrayFromImage(turned).T)
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]) @ lps, atol=1e-4)
    assert voxels.flags.c_contiguous


DIRECTIONS = {
    "identity": np.eye(3),
    "flipped": np.diag([-1, -1, 1]),
    "permuted": np.eye(3)[[2, 0, 1]],
    "oblique": rotation(20, -15),
    "oblique and permuted": rotation(20, -15) @ np.eye(3)[[1, 2, 0]],
}


@pytest.mark.parametrize("directions", list(DIRECTIONS.values()), ids=list(DIRECTIONS))
@pytest.mark.parametrize("name", ["a.mhd", "a.mha", "a.nrrd", "a.nii.gz", "A.MHA"])
@pytest.mark.parametrize("compressed", [False, True])
def test_itk_and_medbench_place_voxels_alike(tmp_path, name, directions, compressed):
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
def test_every_real_type_on_disk_is_read(tmp_path, suffix, dtype):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(dtype))
    sitk.WriteImage(image, tmp_path / f"a{suffix}")
    voxels, _ = read_image(tmp_path / f"a{suffix}")
    assert voxels.dtype == np.int16
    header = read_header(tmp_path / f"a{suffix}")
    assert (header.dtype, header.scaled) == (np.dtype(dtype), False)
    assert_same_as_itk(tmp_path / f"a{suffix}", image)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
def test_nibabel_and_medbench_turn_nifti_alike(tmp_path, axes, signs):
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


def test_one_frame_in_four_dimensions_is_one_volume(tmp_path):
    nib.save(nib.Nifti1Image(noise((7, 6, 5, 1)), np.eye(4)), tmp_path / "a.nii")
    assert read_image(tmp_path / "a.nii")[0].shape == (7, 6, 5)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("unknown", 1), ("micron", 0.001), ("meter", 1000)])
def test_nifti_units_are_honoured(tmp_path, unit, factor):
    image = nib.Nifti1Image(noise(), np.diag([2.0, 3, 4, 1]))
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(np.diag(read_image(tmp_path / "a.nii")[1])[:3], np.array([2, 3, 4]) * factor)


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


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("raw", bytes)])
@pytest.mark.parametrize("space", ["right-anterior-superior", "LPS", "left-anterior-superior"])
def test_nrrd_spaces_and_encodings(tmp_path, encoding, pack, space):
    header = (
        f"NRRD0004\n# a comment: with colon\ntype: short\ndimension: 3\nspace: {space}\nsizes: 7 6 5\n"
        f"space directions: (0.7,0,0) (0,0.8,0) (0,0,1.5)\nendian: big\nencoding: {encoding}\n"
        "space origin: (1,2,3)\nmykey:=a value\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(header.encode() + pack(noise((5, 6, 7), ">i2").tobytes()))
    assert_same_as_itk(tmp_path / "a.nrrd", sitk.ReadImage(tmp_path / "a.nrrd"))


def test_bzip2_which_itk_lacks(tmp_path):
    header = b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 7 6 5\nspacings: 1 2 3\nendian: little\nencoding: bzip2\n\n"
    (tmp_path / "a.nrrd").write_bytes(header + bz2.compress(noise((5, 6, 7)).tobytes()))
    voxels, affine = read_image(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(voxels, noise((5, 6, 7)).T[::-1, ::-1])  # no space: LPS, as in ITK
    np.testing.assert_allclose(np.diag(affine), (1, 2, 3, 1))


def test_luna16s_metaimage_layout(tmp_path):
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "TransformMatrix = -1 0 0 0 -1 0 0 0 1\nOffset = 198.1 195 -335.2\nCenterOfRotation = 0 0 0\n"
        "AnatomicalOrientation = RAI\nElementSpacing = 0.76 0.76 1.25\nDimSize = 7 6 5\nElementType = MET_SHORT\n"
        "ElementDataFile = 1.3.6.1.raw\n"
    )
    (tmp_path / "1.3.6.1.mhd").write_text(header)
    (tmp_path / "1.3.6.1.raw").write_bytes(noise((5, 6, 7)).tobytes())
    voxels, affine = read_image(tmp_path / "1.3.6.1.mhd")
    np.testing.assert_array_equal(voxels, noise((5, 6, 7)).T)  # -1 -1 1 in LPS is RAS: nothing flips
    np.testing.assert_allclose(affine[:3, 3], (-198.1, -195, -335.2))
    assert_same_as_itk(tmp_path / "1.3.6.1.mhd", sitk.ReadImage(tmp_path / "1.3.6.1.mhd"))


def test_metaimage_voxels_at_the_end_of_a_larger_file(tmp_path):
    image = itk_image(np.eye(3))
    sitk.WriteImage(image, tmp_path / "a.mhd")
    (tmp_path / "a.raw").write_bytes(b"some vendor header" + (tmp_path / "a.raw").read_bytes())
    text = (tmp_path / "a.mhd").read_text()
    (tmp_path / "a.mhd").write_text(text.replace("ElementDataFile", "HeaderSize = -1\nElementDataFile"))
    assert_same_as_itk(tmp_path / "a.mhd", image)
