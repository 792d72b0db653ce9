"""Grids and axes."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.errors import FormatError, GeometryError
from medbench.imaging.formats import Header
from medbench.imaging.formats.geometry import check_affine, same_grid, spatial_shape


def test_grids_are_one_where_shape_and_places_agree():
    header = Header((6, 5, 4), np.eye(4), np.dtype(np.int16))
    assert same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-4, np.dtype(np.uint8)))
    assert not same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-2, np.dtype(np.int16)))
    assert not same_grid(header, Header((6, 5, 5), np.eye(4), np.dtype(np.int16)))


def test_parallel_axes(tmp_path, refusal, metaimage, nrrd):
    matrix = ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0 0 1 0 0 0 0 1")
    assert "singular" in refusal(metaimage(tmp_path, replace=matrix), GeometryError)
    assert "singular" in refusal(nrrd(tmp_path, ("(0,1,0) (0,0,1)", "(1,0,0) (0,0,1)")), GeometryError)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 24, 28, 16), "a channel axis in front"),
        ((1, 1, 24, 28, 16), "batch and channel axes in front"),
        ((1, 24, 28), "2D"),
    ],
)
def test_axes_in_front_of_a_volume_are_told(shape, said):
    with pytest.raises(FormatError, match=said):
        spatial_shape("a.nii", shape)


@pytest.mark.parametrize("spacing", [(1e9, 1, 1), (1, 1, 1e-9)])
def test_spacings_that_no_scanner_has_are_refused(spacing):
    with pytest.raises(GeometryError, match=r"a\.nii: no CT has voxels of"):
        check_affine("a.nii", np.diag([*spacing, 1]))
