"""Even and uneven slices."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.errors import GeometryError
from medbench.imaging.formats import read_header


def header(folder, write_slices, heights, step=3.0, numbers=None, shape=None):
    def change(data, k):
        if numbers is not None:
            data.InstanceNumber = numbers[k]

    voxels = np.zeros((6, 7, len(heights)), np.int16)
    return read_header(write_slices(folder / "s", voxels, heights=list(heights), step=step, change=change))


def test_positions_with_one_decimal_are_an_even_line_and_that_is_said(tmp_path, write_slices):
    heights = np.round(-30.02 + 1.25 * np.arange(16), 1)
    found = header(tmp_path, write_slices, heights, step=1.25)
    assert found.affine[2, 2] == pytest.approx(1.25, abs=1e-9)
    (finding,) = found.findings
    assert (finding.severity, finding.check) == ("note", "positions")
    assert "an even step of 1.25 mm" in finding.detail


def test_rounded_positions_without_a_true_thickness_are_fitted(tmp_path, write_slices):
    heights = np.round(0.7 * np.arange(40), 1)
    assert header(tmp_path, write_slices, heights, step=5.0).affine[2, 2] == pytest.approx(0.7, abs=1e-3)


def test_exact_positions_need_no_word(tmp_path, write_slices):
    found = header(tmp_path, write_slices, 2.5 * np.arange(6), step=7.0)
    assert found.findings == ()
    assert found.affine[2, 2] == pytest.approx(2.5)


@pytest.mark.parametrize("missing", [1, 8, 14])
@pytest.mark.parametrize("step", [0.1, 0.5, 1.25, 5.0])
def test_a_missing_slice_is_no_rounding(tmp_path, write_slices, missing, step):
    kept = [k for k in range(16) if k != missing]
    with pytest.raises(GeometryError, match="missing"):
        header(tmp_path, write_slices, [step * k for k in kept], step, numbers=[k + 1 for k in kept])


def test_two_distances_of_a_complete_scan_want_another_mend(tmp_path, write_slices):
    heights = np.r_[2.5 * np.arange(8), 17.5 + 5.0 * np.arange(1, 9)]
    with pytest.raises(GeometryError, match=r"2\.500 to 5\.000 mm apart and none is missing.*: resample"):
        header(tmp_path, write_slices, heights)


def test_two_phases_are_told(tmp_path, write_slices):
    with pytest.raises(GeometryError, match=r"2 slices at each of 8 places, .*phases.*: split it"):
        header(tmp_path, write_slices, np.tile(3.0 * np.arange(8), 2))


def test_one_doubled_slice_is_told(tmp_path, write_slices):
    with pytest.raises(GeometryError, match="doubled"):
        header(tmp_path, write_slices, [0, 3, 6, 6, 9, 12])
