"""A mask belongs to its volume's grid, with a tolerance that is said."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medbench.errors import FormatError, GeometryError
from medbench.imaging.masks import mask_findings, read_mask

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def pair(folder, *, moved=(0, 0, 0), turn=0.0, labels=None, slope=False):
    """Write a volume and its mask; return their paths."""
    affine = AFFINE.copy()
    affine[:3, 3] += moved
    affine[:3, :3] = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]] @ affine[:3, :3]
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5), np.int16), AFFINE), folder / "volume.nii")
    values = np.arange(125).reshape(5, 5, 5) % 3 if labels is None else labels
    image = nib.Nifti1Image(values.astype(np.float64 if slope else np.uint8), affine)
    if slope:
        image.set_data_dtype(np.uint8)  # nibabel then stores a slope, and 1 comes back as 0.996
    nib.save(image, folder / "mask.nii")
    return folder / "mask.nii", folder / "volume.nii"


def test_a_hundredth_of_a_voxel_is_the_same_grid_and_is_said(tmp_path):
    paths = pair(tmp_path, moved=(0.002, -0.003, 0.004))
    assert read_mask(*paths, None).names == {1: "label_1", 2: "label_2"}
    (finding,) = mask_findings(*paths)
    assert (finding.severity, "0.0015 voxels beside its volume" in finding.detail) == ("note", True)


@pytest.mark.parametrize(
    ("how", "said"),
    [({"moved": (0.05, 0, 0)}, r"from 0\.0500, .* from 0\.0000"), ({"turn": 0.01}, r"turned by 0\.573 degrees")],
)
def test_a_refusal_shows_what_differs(tmp_path, how, said):
    with pytest.raises(GeometryError, match=said):
        read_mask(*pair(tmp_path, **how), None)


def test_labels_that_a_stored_slope_made_fractions_of_are_rounded_and_that_is_said(tmp_path):
    paths = pair(tmp_path, slope=True)
    assert sorted(read_mask(*paths, None).names) == [1, 2]
    assert "rounded to integers" in mask_findings(*paths)[0].detail


def test_a_value_that_is_no_label_is_shown(tmp_path):
    mask, volume = pair(tmp_path)
    nib.save(nib.Nifti1Image(np.full((5, 5, 5), 0.4, np.float32), AFFINE), mask)
    with pytest.raises(FormatError, match=r"found 0\.4 \(float32\)"):
        read_mask(mask, volume, None)
