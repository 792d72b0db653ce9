from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.reader_study.convention import Convention, body, common_grid


def test_all_cases_come_to_one_grid_about_their_centres() -> None:
    convention = Convention(shape=(16, 16, 8), spacing_mm=(2.0, 2.0, 4.0))
    for shape, spacing in (((32, 32, 16), 1.0), ((20, 18, 9), 2.0)):
        affine = np.diag([spacing, spacing, 2 * spacing, 1.0])
        affine[:3, 3] = 77.0
        voxels = convention.apply(Volume(np.full(shape, 40, np.int16), affine))
        assert voxels.shape == (16, 16, 8)
        assert voxels.dtype == np.int16
        assert np.all(voxels == 40)
    np.testing.assert_allclose(convention.affine @ [7.5, 7.5, 3.5, 1], [0, 0, 0, 1])


def test_the_common_grid_neither_up_samples_nor_pads() -> None:
    extents = [((100, 100, 50), (1.0, 1.0, 2.0)), ((64, 80, 90), (1.5, 1.2, 1.0))]
    shape, spacing = common_grid(extents)
    assert spacing == (1.5, 1.2, 2.0)
    for own_shape, own_spacing in extents:
        assert all(n * s <= m * t + 1e-9 for n, s, m, t in zip(shape, spacing, own_shape, own_spacing))


def test_equal_grids_stay_as_they_are() -> None:
    assert common_grid([((512, 512, 256), (0.703125, 0.703125, 1.0))] * 3) == ((512, 512, 256), (0.70312, 0.70312, 1.0))


def test_a_range_clips_what_a_source_pads_with() -> None:
    convention = Convention(shape=(4, 4, 4), spacing_mm=(1, 1, 1), hu_range=(-1000, 1000))
    voxels = convention.apply(Volume(np.array([-3024, 5000] * 32, np.int16).reshape(4, 4, 4)))
    assert set(voxels.ravel()) == {-1000, 1000}


def test_the_background_is_one_value_and_the_body_stays() -> None:
    volume, labels = generate(3, (48, 48, 16))
    shown = volume.voxels.copy()
    shown[:, 1:3] = 100  # a table, far from the body
    convention = Convention(shape=(48, 48, 16), spacing_mm=volume.spacing_mm, background_hu=-1000)
    voxels = convention.apply(Volume(shown, volume.affine))
    assert np.all(voxels[:, 1:3] == -1000)
    inside = labels.voxels > 0
    assert np.mean(voxels[inside] == volume.voxels[inside]) > 0.95


def test_where_there_is_no_body_nothing_is_left_out() -> None:
    assert body(np.full((8, 8, 4), -1000, np.int16)).all()


def test_an_empty_range() -> None:
    with pytest.raises(ValidationError, match="HU range 5 to 5 is empty"):
        Convention(shape=(1, 1, 1), spacing_mm=(1, 1, 1), hu_range=(5, 5))
