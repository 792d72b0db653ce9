"""What the gate says of grids that mislead."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medbench.evaluation.gate.checks import check
from medbench.evaluation.gate.facts import facts, file_facts
from medbench.evaluation.gate.findings import SideReport
from medbench.imaging.volume import Volume
from medbench.spec import Grid

LPS = np.array([[-2.0, 0, 0, 60], [0, -2, 0, 50], [0, 0, 3, -30], [0, 0, 0, 1]])
GRID = Grid(shape=(12, 11, 10), fit="resize")


def hu(shape=(12, 11, 10), seed=0):
    return np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16)


def side(name, folder, affine, shape=(12, 11, 10)):
    """Return a side of two files stored with an affine."""
    volumes = []
    for number in range(2):
        path = folder / f"{name}{number}.nii"
        nib.save(nib.Nifti1Image(hu(shape, seed=len(name) + number), affine), path)
        volumes.append((path.name, file_facts(path)))
    return SideReport(name, tuple(volumes))


def found(real, synthetic, grid=GRID):
    return {finding.check: finding for finding in check(real=real, synthetic=synthetic, grid=grid)}


@pytest.mark.parametrize(
    ("affine", "word"), [(np.eye(4), "the identity"), (np.diag([2.0, 2, 3, 1]), "a bare diagonal")]
)
def test_a_placeholder_affine_on_one_side_is_warned_of_in_words(tmp_path, affine, word):
    finding = found(side("real", tmp_path, LPS), side("synthetic", tmp_path, affine))["placeholder"]
    assert finding.severity == "warning"
    assert f"2 of 2 synthetic volumes is {word}, a placeholder" in finding.detail
    assert "stored as LPS from (60, 50, -30)" in finding.detail


def test_placeholders_on_both_sides_are_alike(tmp_path):
    assert "placeholder" not in found(side("real", tmp_path, np.eye(4)), side("synthetic", tmp_path, np.eye(4)))


def test_an_array_in_the_order_of_numpy_is_suspected(tmp_path):
    findings = found(side("real", tmp_path, LPS), side("synthetic", tmp_path, LPS, (10, 11, 12)))
    assert "is this array (z, y, x)?" in findings["axes"].detail


def test_a_sheared_grid_is_told_by_its_angle(tmp_path):
    sheared = LPS.copy()
    sheared[1, 2] = 3 * np.tan(np.radians(25))
    findings = found(side("real", tmp_path, LPS), side("synthetic", tmp_path, sheared))
    assert "sheared by 25.0 degrees" in findings["shear"].detail


def test_few_slices_stretched_to_many_are_told():
    thin = SideReport("synthetic", (("a", facts(Volume(hu((12, 11, 3))))), ("b", facts(Volume(hu((12, 11, 3), 1))))))
    real = SideReport("real", (("c", facts(Volume(hu(seed=2)))), ("d", facts(Volume(hu(seed=3))))))
    grid = Grid(shape=(12, 11, 30), fit="resize")
    assert "3 voxels along z become 30" in found(real, thin, grid)["stretch"].detail
    assert "stretch" not in found(real, real, grid)
