from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medbench.errors import FormatError, GeometryError, IntensityError
from medbench.imaging.formats.geometry import same_grid
from medbench.imaging.volume import LabelMap, Volume

DATA = Path(__file__).parents[2] / "data"
AFFINE = np.array([[0.7, 0, 0, -120.5], [0, 0.7, 0, 33.25], [0, 0, 1.5, -900.125], [0, 0, 0, 1]])


def noise(shape=(7, 6, 5), seed=0, dtype=np.int16):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(dtype)


@pytest.mark.parametrize("voxels", [noise((4, 5)), noise((2, 3, 4, 5)), noise(dtype=np.float64), noise((0, 3, 4))])
def test_voxels_must_be_3d_int16_or_float32(voxels):
    with pytest.raises(FormatError):
        Volume(voxels)


@pytest.mark.parametrize(
    "affine", [np.eye(3), np.zeros((4, 4)), np.diag([1, 0, 1, 1]), np.full((4, 4), np.nan), np.ones((4, 4))]
)
def test_an_affine_must_be_finite_and_regular(affine):
    with pytest.raises(GeometryError):
        Volume(noise(), affine)
    with pytest.raises(GeometryError):
        LabelMap(noise(dtype=np.uint8), affine)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "A.NII.GZ"])
def test_what_is_written_is_read_back(tmp_path, name):
    volume = Volume(noise(), AFFINE)
    volume.write(tmp_path / name)
    again = Volume.read(tmp_path / name)
    assert again.voxels.dtype == np.int16
    np.testing.assert_array_equal(again.voxels, volume.voxels)
    np.testing.assert_allclose(again.affine, AFFINE, atol=1e-4)
    assert same_grid(again, volume)
    assert again.content_hash() == volume.content_hash()


def test_equal_volumes_give_equal_bytes_whatever_their_name_and_memory_order(tmp_path):
    Volume(noise(), AFFINE).write(tmp_path / "first.nii.gz")
    Volume(np.asfortranarray(noise()), AFFINE).write(tmp_path / "other name.nii.gz")
    Volume.read(tmp_path / "first.nii.gz").write(tmp_path / "third.nii.gz")
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1
    assert contents.pop()[3:8] == b"\0\0\0\0\0"  # gzip flags (no name) and time


def test_the_header_is_plain_and_other_tools_agree(tmp_path):
    Volume(noise(), AFFINE).write(tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    header = image.header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header["descrip"].item() == b""
    assert header.get_xyzt_units() == ("mm", "unknown")
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(image.dataobj), noise())
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-4)
    raw = gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    assert struct.unpack_from("<2f", raw, 112) == (1.0, 0.0)  # scl_slope and scl_inter
    assert len(raw) == 352 + 2 * 7 * 6 * 5


def test_writing_rounds_to_even_and_clips_to_int16(tmp_path):
    voxels = np.zeros((2, 2, 2), np.float32)
    voxels[0, 0] = (0.5, 1.5)
    voxels[0, 1] = (-40000, 40000)
    Volume(voxels).write(tmp_path / "a.nii.gz")
    again = Volume.read(tmp_path / "a.nii.gz").voxels
    assert again[0].tolist() == [[0, 2], [-32768, 32767]]


def test_nan_is_not_written_and_harms_no_file(tmp_path):
    path = tmp_path / "a.nii.gz"
    Volume(noise()).write(path)
    before = path.read_bytes()
    voxels = noise(dtype=np.float32)
    voxels[0, 0, 0] = np.nan
    with pytest.raises(IntensityError, match=r"a\.nii\.gz"):
        Volume(voxels).write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_volumes_are_written_as_nifti_only(tmp_path):
    with pytest.raises(FormatError, match="nii"):
        Volume(noise()).write(tmp_path / "a.mha")


def test_the_content_hash_sees_voxels_affine_and_kind_but_not_the_type():
    volume = Volume(noise(), AFFINE)
    moved, changed = AFFINE.copy(), noise()
    moved[0, 3] += 0.01
    changed[3, 2, 1] += 1
    assert Volume(noise(dtype=np.float32), AFFINE).content_hash() == volume.content_hash()
    assert Volume(noise(), AFFINE + 0.0).content_hash() == volume.content_hash()
    others = [Volume(noise(), moved), Volume(changed, AFFINE), LabelMap(noise().astype(np.uint8), AFFINE)]
    assert len({volume.content_hash(), *(other.content_hash() for other in others)}) == 4


def test_the_content_hash_survives_float32_storage_of_the_affine(tmp_path):
    affine = np.eye(4)
    for index, offset in enumerate(np.random.default_rng(3).uniform(-500, 500, 20).round(4) + 0.00005):
        affine[0, 3] = offset
        volume = Volume(noise((2, 2, 2)), affine.copy())
        volume.write(tmp_path / f"{index}.nii")
        assert Volume.read(tmp_path / f"{index}.nii").content_hash() == volume.content_hash()


def test_label_maps_keep_their_values_and_take_names(tmp_path):
    voxels = np.zeros((4, 3, 2), np.uint8)
    voxels[0, 0, 0], voxels[1, 1, 1] = 7, 255
    LabelMap(voxels, AFFINE).write(tmp_path / "m.nii.gz")
    assert nib.load(tmp_path / "m.nii.gz").get_data_dtype() == np.uint8
    plain = LabelMap.read(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(plain.voxels, voxels)
    assert plain.names == {7: "label_7", 255: "label_255"}
    assert LabelMap.read(tmp_path / "m.nii.gz", {7: "heart"}).names == {7: "heart"}
    assert plain.content_hash() == LabelMap(voxels, AFFINE).content_hash()
    assert plain.shape == (4, 3, 2)
    assert plain.spacing_mm == pytest.approx((0.7, 0.7, 1.5))


@pytest.mark.parametrize("values", [(-1, 0), (0, 256), (0.5, 1.0)])
def test_a_label_map_holds_small_integers(tmp_path, values):
    voxels = np.resize(np.array(values, np.float32), (2, 2, 2))
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "m.nii.gz")
    with pytest.raises(FormatError, match=r"m\.nii\.gz: not a label map"):
        LabelMap.read(tmp_path / "m.nii.gz")


@pytest.mark.parametrize("name", ["ct_abdomen_pelvis", "cta_heart"])
def test_real_ct_is_read_as_int16_with_its_fat_and_bone(name):
    volume = Volume.read(DATA / f"{name}.nii.gz")
    reference = nib.as_closest_canonical(nib.load(DATA / f"{name}.nii.gz"))
    assert volume.voxels.dtype == np.int16
    assert volume.voxels.flags.c_contiguous
    np.testing.assert_array_equal(volume.voxels, np.asarray(reference.dataobj))
    np.testing.assert_allclose(volume.affine, reference.affine)


def test_a_voxels_volume_is_the_determinants():
    sheared = np.diag([2.0, 2.0, 3.0, 1.0])
    sheared[1, 2] = 3 * np.tan(np.radians(25))
    assert Volume(np.zeros((3, 3, 3), np.int16), sheared).voxel_ml == pytest.approx(0.012)
