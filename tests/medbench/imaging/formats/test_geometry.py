"""Grids and axes."""

from __future__ import annotations

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.formats import Header
from medbench.imaging.formats.geometry import same_grid


def test_grids_are_one_where_shape_and_places_agree():
    header = Header((6, 5, 4), np.eye(4), np.dtype(np.int16))
    assert same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-4, np.dtype(np.uint8)))
    assert not same_grid(header, Header((6, 5, 4), np.eye(4) + 1e-2, np.dtype(np.int16)))
    assert not same_grid(header, Header((6, 5, 5), np.eye(4), np.dtype(np.int16)))


def test_parallel_axes(tmp_path, refusal, metaimage, nrrd):
    matrix = ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 1 0 0 1 0 0 0 0 1")
    assert "singular" in refusal(metaimage(tmp_path, replace=matrix), GeometryError)
    assert "singular" in refusal(nrrd(tmp_path, ("(0,1,0) (0,0,1)", "(1,0,0) (0,0,1)")), GeometryError)
