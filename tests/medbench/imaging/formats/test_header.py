"""A header tells the grid that reading gives, and how the voxels are stored, without reading any."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medbench.imaging.formats import Header, read_header, read_image
from medbench.imaging.formats.geometry import same_grid

OBLIQUE = np.array([[0, 0.1, -2.0, 5], [-0.9, 0, 0, 6], [0, 0.8, 0.25, 7], [0, 0, 0, 1]])
DIRECTIONS = {"identity": np.eye(3), "flipped": np.diag([-1, -1, 1]), "permuted": np.eye(3)[[2, 0, 1]]}


def assert_as_read(path: Path) -> Header:
    header = read_header(path)
    voxels, affine = read_image(path)
    assert header.shape == voxels.shape
    np.testing.assert_array_equal(header.affine, affine)
    return header


def itk(path: Path, dtype=np.int16, directions=DIRECTIONS["identity"], *, packed=False) -> Path:
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), dtype))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-110.5, 20.25, -900.0))
    image.SetDirection(np.asarray(directions, float).ravel().tolist())
    sitk.WriteImage(image, path, packed)
    return path


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("affine", [np.diag([0.7, 0.8, 2.5, 1]), np.diag([-0.7, -0.8, 2.5, 1]), OBLIQUE])
def test_nifti_headers_give_the_grid_that_is_read(tmp_path, name, affine):
    nib.save(nib.Nifti1Image(np.zeros((6, 5, 4), np.int16), affine), tmp_path / name)
    assert_as_read(tmp_path / name)


@pytest.mark.parametrize("name", ["v.mhd", "v.mha", "v.nrrd"])
@pytest.mark.parametrize("directions", list(DIRECTIONS.values()), ids=list(DIRECTIONS))
@pytest.mark.parametrize("packed", [False, True])
def test_itk_headers_give_the_grid_that_is_read(tmp_path, name, directions, packed):
    assert_as_read(itk(tmp_path / name, directions=directions, packed=packed))


@pytest.mark.parametrize("name", ["v.nii", "v.mhd", "v.mha", "v.nrrd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
def test_the_type_on_disk_is_told(tmp_path, name, dtype):
    header = assert_as_read(itk(tmp_path / name, dtype))
    assert (header.dtype, header.scaled) == (np.dtype(dtype), False)


@pytest.mark.parametrize(("slope", "intercept", "scaled"), [(1, 0, False), (1, -1024, True), (0.5, 0, True)])
def test_niftis_scaling_is_told(tmp_path, slope, intercept, scaled):
    image = nib.Nifti1Image(np.zeros((6, 5, 4), np.uint16), np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    image.to_filename(tmp_path / "v.nii.gz")
    header = assert_as_read(tmp_path / "v.nii.gz")
    assert (header.dtype.name, header.scaled) == ("uint16", scaled)


def test_no_voxel_is_read(tmp_path):
    path = tmp_path / "v.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16), OBLIQUE), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert read_header(path).shape == (20, 20, 20)


def test_grids_are_one_where_shape_and_places_agree():
    header = Header((6, 5, 4), np.eye(4), np.dtype(np.int16))
    assert same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-4, np.dtype(np.uint8)))
    assert not same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-2, np.dtype(np.int16)))
    assert not same_grid(header, Header((6, 5, 5), np.eye(4), np.dtype(np.int16)))
