"""Intensities of the painted thorax."""

from __future__ import annotations

import numpy as np

from medbench.datasets.phantom.dataset import generate
from medbench.datasets.phantom.thorax import LABELS


def test_intensities_are_those_of_contrast_ct() -> None:
    volume, labels = generate(5)
    medians = {name: np.median(volume.voxels[labels.voxels == value]) for value, name in LABELS.items()}
    assert -950 < medians["lung_left"] < -750
    assert medians["heart_ventricle_left"] > medians["heart_ventricle_right"] > medians["heart_myocardium"] > 50
    assert np.median(volume.voxels[labels.voxels == 0]) < -950
    assert volume.voxels.dtype == np.int16
