from __future__ import annotations

from pathlib import Path

import monai.transforms
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from medbench.errors import GeometryError
from medbench.imaging.grid import label_map_to_grid, to_grid
from medbench.imaging.volume import LabelMap, Volume
from medbench.spec import Grid

GOLDEN = Path(__file__).parents[2] / "data" / "fid25d"
OBLIQUE = np.array([[0.69, -0.1, 0.05, -120], [0.1, 0.69, 0.02, 40], [-0.04, -0.03, 1.49, -800], [0, 0, 0, 1.0]])
GRIDS = {
    "resize smaller": Grid(shape=(8, 6, 5), fit="resize"),
    "resize larger": Grid(shape=(30, 25, 20), fit="resize"),
    "crop": Grid(shape=(9, 8, 7)),
    "pad": Grid(shape=(24, 23, 21)),
    "crop and pad": Grid(shape=(9, 23, 12)),
    "resample finer": Grid(shape=(20, 20, 20), spacing_mm=(0.5, 0.5, 0.9)),
    "resample coarser": Grid(shape=(10, 10, 10), spacing_mm=(1.3, 1.1, 2.0)),
    "resample and pad": Grid(shape=(40, 9, 30), spacing_mm=(0.6, 1.4, 1.0), pad_hu=-900),
    "as MONAI": Grid(shape=(9, 23, 13), convention="monai"),
    "resample as MONAI": Grid(shape=(13, 16, 20), spacing_mm=(1.0, 0.5, 1.2), convention="monai"),
}
every_grid = pytest.mark.parametrize("grid", list(GRIDS.values()), ids=list(GRIDS))


def noise(shape=(17, 14, 12), dtype=np.int16):
    return np.random.default_rng(0).integers(-1024, 2000, shape).astype(dtype)


def world(image):
    """Return the (x, y, z, 3) positions of all voxel centres."""
    index = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1)
    return index @ image.affine[:3, :3].T + image.affine[:3, 3]


def ramp_volume():
    """Return a volume whose voxels say where in the world they lie; linear resampling must keep that."""
    blank = Volume(np.zeros((17, 14, 12), np.float32), OBLIQUE)
    return Volume((world(blank) @ (3.0, -2.0, 1.0)).astype(np.float32), OBLIQUE)


@every_grid
def test_the_shape_is_the_grids_and_a_second_pass_changes_nothing(grid):
    once = to_grid(Volume(noise(), OBLIQUE), grid)
    twice = to_grid(once, grid)
    assert once.shape == grid.shape
    assert np.all(np.isfinite(once.voxels))
    np.testing.assert_array_equal(twice.voxels, once.voxels)
    np.testing.assert_allclose(twice.affine, once.affine, atol=1e-9)


@every_grid
def test_structures_stay_at_their_place_in_the_world(grid):
    result = to_grid(ramp_volume(), grid)
    expected = world(result) @ (3.0, -2.0, 1.0)
    index = np.linalg.solve(OBLIQUE[:3, :3], (world(result) - OBLIQUE[:3, 3])[..., None])[..., 0]
    margin = np.maximum(1, np.divide(result.spacing_mm, ramp_volume().spacing_mm))  # the kernel is cut off at the edge
    inside = np.all((index >= margin - 0.5) & (index <= np.array([16, 13, 11]) - margin + 0.5), axis=-1)
    assert inside.sum() > 30
    np.testing.assert_allclose(
        result.voxels[inside], expected[inside], atol=0.3
    )  # 3.7 HU are a mm; half a voxel off would be > 1


@every_grid
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_type_stays_and_no_value_is_invented(grid, dtype):
    volume = Volume(noise(dtype=dtype), OBLIQUE)
    before = volume.voxels.copy()
    result = to_grid(volume, grid).voxels
    resampled_as_monai = grid.convention == "monai" and grid.spacing_mm is not None
    assert result.dtype == (np.float32 if resampled_as_monai else dtype)
    assert result.min() >= min(before.min(), grid.pad_hu)
    assert result.max() <= before.max()
    np.testing.assert_array_equal(volume.voxels, before)


@every_grid
def test_label_maps_land_on_the_volumes_grid_and_keep_their_labels(grid):
    labels = LabelMap((np.arange(17 * 14 * 12) % 5).reshape(17, 14, 12).astype(np.uint8), OBLIQUE, {1: "a"})
    result = label_map_to_grid(labels, grid)
    volume = to_grid(Volume(noise(), OBLIQUE), grid)
    assert result.shape == volume.shape
    np.testing.assert_allclose(result.affine, volume.affine)
    assert result.voxels.dtype == np.uint8
    assert set(np.unique(result.voxels)) <= set(range(5))
    assert result.names == {1: "a"}
    np.testing.assert_array_equal(label_map_to_grid(result, grid).voxels, result.voxels)


@pytest.mark.parametrize("shape", [(6, 5, 12), (17, 5, 12), (40, 31, 12), (8, 30, 12)])
def test_resize_equals_torchs_antialiased_interpolation(shape):
    hu = noise(dtype=np.float32)
    slices = torch.from_numpy(hu).permute(2, 0, 1)[:, None]
    reference = torch.nn.functional.interpolate(slices, shape[:2], mode="bilinear", antialias=True)
    result = to_grid(Volume(hu), Grid(shape=shape, fit="resize")).voxels
    np.testing.assert_allclose(
        result, reference[:, 0].permute(1, 2, 0).numpy(), atol=1e-2
    )  # torch places taps in float32


@pytest.mark.parametrize("fit", ["resize", "crop_pad"])
def test_a_volume_on_its_grid_keeps_every_voxel(fit):
    volume = Volume(noise(dtype=np.float32) + np.float32(0.3), OBLIQUE)
    result = to_grid(volume, Grid(shape=volume.shape, fit=fit, spacing_mm=volume.spacing_mm))
    np.testing.assert_array_equal(result.voxels, volume.voxels)
    np.testing.assert_allclose(result.affine, volume.affine, atol=1e-9)


def test_resize_keeps_the_field_of_view():
    volume = Volume(noise(), np.diag([0.7, 0.8, 1.5, 1]))
    result = to_grid(volume, Grid(shape=(34, 7, 12), fit="resize"))
    np.testing.assert_allclose(
        np.multiply(result.shape, result.spacing_mm), np.multiply(volume.shape, volume.spacing_mm)
    )
    edges = [image.affine @ (-0.5, -0.5, -0.5, 1) for image in (volume, result)]
    np.testing.assert_allclose(edges[0], edges[1])


def test_cropping_and_padding_move_no_voxel():
    volume = Volume(noise())
    result = to_grid(volume, Grid(shape=(20, 9, 12), pad_hu=-1024))
    np.testing.assert_array_equal(result.voxels[1:18], volume.voxels[:, 2:11])
    assert np.all(result.voxels[0] == -1024)
    assert np.all(result.voxels[18:] == -1024)
    np.testing.assert_allclose(result.affine[:3, 3], (-1, 2, 0))


def test_padded_labels_are_background():
    result = label_map_to_grid(LabelMap(np.full((2, 2, 2), 3, np.uint8)), Grid(shape=(4, 4, 4)))
    assert result.voxels.sum() == 3 * 8


def test_resampling_reaches_the_spacing():
    result = to_grid(Volume(noise(), OBLIQUE), GRIDS["resample coarser"])
    np.testing.assert_allclose(result.spacing_mm, (1.3, 1.1, 2.0))


def test_a_checkerboard_turns_grey_and_does_not_alias():
    board = np.indices((16, 16, 16)).sum(axis=0) % 2 * 1000.0
    result = to_grid(Volume(board.astype(np.float32)), Grid(shape=(4, 4, 4), fit="resize")).voxels
    np.testing.assert_allclose(result, 500, atol=10)


PREPROCESSING_OF_MAISI = {
    "orient_only": (Grid(fit="keep", convention="monai"), 1e-4),  # MAISI rescales to the same range in float32
    "no_resample": (Grid(shape=(32, 16, 16), convention="monai"), 1e-4),
    "resample_2mm": (Grid(shape=(32, 16, 16), spacing_mm=(2, 2, 2), convention="monai"), 1e-2),
    "resample_2mm_no_pad_crop": (Grid(fit="keep", spacing_mm=(2, 2, 2), convention="monai"), 1e-2),
}


@pytest.mark.parametrize("name", PREPROCESSING_OF_MAISI)
def test_preprocessing_of_maisi(name):
    """Golden arrays of MAISI's transforms (see tests/data/fid25d)."""
    grid, tolerance = PREPROCESSING_OF_MAISI[name]
    with np.load(GOLDEN / "preprocess_expected.npz") as expected:
        reference = expected[name][0]
    result = to_grid(Volume.read(GOLDEN / "preprocess_lps.nii.gz"), grid).voxels.clip(-1000, 1000)
    np.testing.assert_allclose(result, reference, rtol=0, atol=tolerance)
    if grid.spacing_mm is None:
        np.testing.assert_array_equal(result, np.rint(reference))


def test_our_own_resampling_is_not_maisis():
    grid = Grid(shape=(32, 16, 16), spacing_mm=(2, 2, 2))
    with np.load(GOLDEN / "preprocess_expected.npz") as expected:
        reference = expected["resample_2mm"][0]
    result = to_grid(Volume.read(GOLDEN / "preprocess_lps.nii.gz"), grid).voxels.clip(-1000, 1000)
    assert np.abs(result - reference).max() > 50


@pytest.mark.parametrize("shape", [(16, 15, 20), (17, 9, 30), (9, 9, 9), (8, 7, 12), (40, 40, 40)])
@pytest.mark.parametrize("spacing", [None, (1.0, 0.5, 1.2), (0.7, 1.9, 2.5)])
def test_the_monai_convention_is_that_of_monais_transforms(shape, spacing):
    """Even and odd sizes cropped and padded to even and odd ones: MONAI 1.6's own transforms are the reference."""
    affine = np.diag([0.7, 0.8, 1.5, 1.0])
    transforms = monai.transforms
    steps = [
        *([transforms.Spacing(spacing)] if spacing else []),
        transforms.SpatialPad(shape, value=-1000),
        transforms.CenterSpatialCrop(shape),
    ]
    hu = noise(dtype=np.float32)
    reference = transforms.Compose(steps)(MetaTensor(torch.from_numpy(hu)[None], affine=affine))
    result = to_grid(Volume(hu, affine), Grid(shape=shape, spacing_mm=spacing, convention="monai"))
    np.testing.assert_allclose(result.voxels, reference[0].numpy(), atol=2e-3)
    np.testing.assert_allclose(result.affine, reference.affine.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("fit", "shape"), [("crop", (9, 14, 12)), ("pad", (17, 23, 12)), ("crop_pad", (9, 23, 12)), ("keep", (17, 14, 12))]
)
def test_a_fit_does_what_its_name_says(fit, shape):
    volume = Volume(noise(), OBLIQUE)
    grid = Grid(shape=None if fit == "keep" else (9, 23, 12), fit=fit)
    result = to_grid(volume, grid)
    assert result.shape == shape
    labels = label_map_to_grid(LabelMap(np.ones(volume.shape, np.uint8), OBLIQUE), grid)
    assert labels.shape == shape
    np.testing.assert_allclose(labels.affine, result.affine)


@pytest.mark.parametrize(
    "grid", [Grid(shape=(99999, 99999, 99999), fit="resize"), Grid(spacing_mm=(0.001, 0.001, 0.001), fit="keep")]
)
def test_a_grid_that_no_machine_could_hold_is_refused_at_once(grid):
    volume = Volume(np.zeros((8, 8, 8), np.int16), np.diag([700.0, 700, 700, 1]))
    with pytest.raises(GeometryError, match="correct its header's spacing, or ask for a smaller grid"):
        to_grid(volume, grid)
