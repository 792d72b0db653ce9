"""Anatomy: every structure is there, where it belongs, at any shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medbench.datasets.phantom.dataset import FIELD_OF_VIEW_MM, generate
from medbench.datasets.phantom.thorax import LABELS
from medbench.imaging.formats.geometry import same_grid


@pytest.mark.parametrize("seed", [0, 1, 100_000, 200_003])
def test_every_structure_is_there_and_where_it_belongs(seed: int) -> None:
    _, labels = generate(seed)
    values, counts = np.unique(labels.voxels, return_counts=True)
    assert set(values) == {0, *LABELS}
    assert counts.min() > 60
    centres = {name: ndimage.center_of_mass(labels.voxels == value) for value, name in LABELS.items()}
    assert centres["lung_left"][0] < centres["lung_right"][0]  # x grows to the patient's right
    assert centres["spine"][1] < centres["heart_ventricle_left"][1]  # y grows to the front
    assert centres["aorta_ascending"][2] > centres["heart_ventricle_left"][2]  # z grows to the head
    assert centres["heart_ventricle_left"][0] < centres["heart_atrium_right"][0]


def test_anatomy_does_not_depend_on_the_shape() -> None:
    coarse, fine = generate(3), generate(3, (96, 96, 48))
    for value, name in LABELS.items():
        volumes = [float((labels.voxels == value).sum()) * np.prod(labels.spacing_mm) for _, labels in (coarse, fine)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.12), name
    for volume, labels in (coarse, fine):
        assert same_grid(volume, labels)
        assert np.multiply(volume.shape, volume.spacing_mm) == pytest.approx(FIELD_OF_VIEW_MM)
