"""A header is read without any voxel, and tells whether two images have one grid."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from medbench.imaging.formats import Header, read_header
from medbench.imaging.formats.geometry import same_grid


def test_no_voxel_is_read(tmp_path):
    path = tmp_path / "v.nii.gz"
    voxels = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert read_header(path).shape == (20, 20, 20)


def test_grids_are_one_where_shape_and_places_agree():
    header = Header((6, 5, 4), np.eye(4), np.dtype(np.int16))
    assert same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-4, np.dtype(np.uint8)))
    assert not same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-2, np.dtype(np.int16)))
    assert not same_grid(header, Header((6, 5, 5), np.eye(4), np.dtype(np.int16)))
