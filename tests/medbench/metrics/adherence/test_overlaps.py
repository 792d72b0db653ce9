"""What is kept of a volume."""

import json

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import LabelMap
from medbench.metrics.adherence.overlaps import mask_hash, mean_of_present, volume_overlaps

SPACING = (2.0, 2.0, 4.0)

AFFINE = np.diag([*SPACING, 1.0])


def test_a_mask_is_told_by_its_labels_not_by_its_place(anatomy):
    mask = anatomy(0)
    moved = LabelMap(mask.voxels, AFFINE + np.array([[0, 0, 0, 5.0]] + [[0] * 4] * 3), {})
    assert mask_hash(mask) == mask_hash(moved) != mask_hash(anatomy(1))


def test_means_of_what_is_present():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    assert mean_of_present(values, axis=0).tolist() == pytest.approx([2, np.nan], nan_ok=True)


def test_what_is_kept_of_a_volume_is_small_and_storable(tmp_path):
    mask = generate(0, (16, 16, 8))[1]
    arrays = volume_overlaps(mask, mask, regions=("heart_myocardium", "spine", "unknown"), tolerance_mm=2.0)
    np.savez(tmp_path / "kept.npz", allow_pickle=False, **arrays)
    assert (tmp_path / "kept.npz").stat().st_size < 10_000
    assert arrays["regions"].tolist() == ["heart_myocardium", "spine"]
    assert json.dumps(arrays["mask"].item())
