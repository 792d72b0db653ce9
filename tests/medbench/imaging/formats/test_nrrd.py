"""NRRD against SimpleITK, and its refusals in one clear line each."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import FormatError, GeometryError
from medbench.imaging.formats import read_image


def noise(shape=(7, 6, 5), dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("raw", bytes)])
@pytest.mark.parametrize("space", ["right-anterior-superior", "LPS", "left-anterior-superior"])
def test_nrrd_spaces_and_encodings(tmp_path, encoding, pack, space, assert_same_as_itk):
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


@pytest.mark.parametrize("directions", ["(0,0,0) (0,1,0) (0,0,1)", "(nan,0,0) (0,1,0) (0,0,1)"])
def test_impossible_nrrd_spacing(tmp_path, directions, refusal, nrrd):
    assert "spacing" in refusal(nrrd(tmp_path, ("(1,0,0) (0,1,0) (0,0,1)", directions)), GeometryError)


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
def test_nrrd_headers_that_make_no_sense(tmp_path, replace, refusal, nrrd):
    refusal(nrrd(tmp_path, replace), FormatError)
