"""Images of every format, sound and damaged, and what other libraries read of them."""

from __future__ import annotations

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import DataError
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


@pytest.fixture(params=list(DIRECTIONS.values()), ids=list(DIRECTIONS))
def directions(request):
    return request.param


@pytest.fixture(name="rotation")
def rotation_():
    return rotation


@pytest.fixture(name="itk_image")
def itk_image_():
    return itk_image


@pytest.fixture(name="read_with_header")
def read_with_header_():
    return read_with_header


@pytest.fixture(name="assert_same_as_itk")
def assert_same_as_itk_():
    return assert_same_as_itk


@pytest.fixture(autouse=True)
def nothing_else_is_printed(capfd, caplog):
    yield
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert caplog.text == ""


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


@pytest.fixture(name="nifti")
def nifti_():
    return nifti


@pytest.fixture(name="refusal")
def refusal_():
    return refusal


@pytest.fixture(name="metaimage")
def metaimage_():
    return metaimage


@pytest.fixture(name="nrrd")
def nrrd_():
    return nrrd


@pytest.fixture(name="patched")
def patched_():
    return patched
