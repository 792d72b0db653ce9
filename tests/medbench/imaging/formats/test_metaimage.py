"""MetaImage against SimpleITK, and its refusals in one clear line each."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from medbench.errors import DataError, FormatError, GeometryError
from medbench.imaging.formats import read_image


def noise(shape=(7, 6, 5), dtype=np.int16, seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


def test_luna16s_metaimage_layout(tmp_path, assert_same_as_itk):
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


def test_metaimage_voxels_at_the_end_of_a_larger_file(tmp_path, itk_image, assert_same_as_itk):
    image = itk_image(np.eye(3))
    sitk.WriteImage(image, tmp_path / "a.mhd")
    (tmp_path / "a.raw").write_bytes(b"some vendor header" + (tmp_path / "a.raw").read_bytes())
    text = (tmp_path / "a.mhd").read_text()
    (tmp_path / "a.mhd").write_text(text.replace("ElementDataFile", "HeaderSize = -1\nElementDataFile"))
    assert_same_as_itk(tmp_path / "a.mhd", image)


SHAPE = (7, 6, 5)

BYTES = 2 * 7 * 6 * 5


def test_flat_metaimages_and_nrrds(tmp_path, refusal):
    for name in ("a.mha", "a.nrrd"):
        sitk.WriteImage(sitk.GetImageFromArray(noise((6, 7))), tmp_path / name)
        assert "2D" in refusal(tmp_path / name, FormatError)


@pytest.mark.parametrize("spacing", ["0 1 1", "1 -1 1", "nan 1 1"])
def test_impossible_metaimage_spacing(tmp_path, spacing, refusal, metaimage):
    path = metaimage(tmp_path, replace=("ElementSpacing = 1 1 1", f"ElementSpacing = {spacing}"))
    assert "spacing" in refusal(path, GeometryError)


def test_an_mhd_without_its_raw(tmp_path, refusal, metaimage):
    path = metaimage(tmp_path)
    (tmp_path / "a.raw").unlink()
    message = refusal(path, DataError)
    assert "a.mhd" in message
    assert "a.raw" in message


@pytest.mark.parametrize("size", [0, 100, BYTES - 1, BYTES + 1])
def test_a_raw_of_the_wrong_size(tmp_path, size, refusal, metaimage):
    path = metaimage(tmp_path)
    (tmp_path / "a.raw").write_bytes(bytes(size))
    message = refusal(path, FormatError)
    assert f"{BYTES} bytes" in message
    assert f"found {size}" in message


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
def test_metaimage_headers_that_make_no_sense(tmp_path, replace, refusal, metaimage):
    refusal(metaimage(tmp_path, replace=replace), FormatError)
