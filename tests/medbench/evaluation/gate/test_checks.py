"""What the gate refuses, warns of and lets pass."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medbench.errors import DataError, GeometryError, IntensityError
from medbench.evaluation.gate.checks import check
from medbench.evaluation.gate.facts import facts, file_facts
from medbench.evaluation.gate.findings import SideReport, raise_on_errors
from medbench.imaging.volume import Volume
from medbench.spec import Grid, Window

DATA = Path(__file__).parents[3] / "data"


def ct(seed=0, shape=(12, 11, 10), spacing=(1.0, 1.0, 1.0)):
    return Volume(np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16), np.diag([*spacing, 1.0]))


def uniform(low, high, dtype=np.float32):
    values = np.random.default_rng(0).uniform(low, high, (12, 11, 10))
    values[0, 0, 0], values[1, 1, 1] = low, high
    return Volume(values.astype(dtype))


def side(name, *volumes):
    return SideReport(name, tuple((f"{name}{index}", facts(volume)) for index, volume in enumerate(volumes)))


def found(synthetic, grid=None, real=None, held_out=None):
    """Return the findings about synthetic volumes beside sound real ones."""
    return check(
        real=side("real", *(real or [ct(100), ct(101)])),
        synthetic=side("synthetic", *synthetic),
        grid=grid,
        held_out=side("held-out", *held_out) if held_out is not None else None,
    )


def stored(path, voxels, slope=1.0, intercept=0.0):
    """Return the findings about a synthetic NIfTI file with voxels of this type, checks only."""
    image = nib.Nifti1Image(voxels, np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    image.to_filename(path)
    report = SideReport("synthetic", ((path.name, file_facts(path)),))
    return check(real=side("real", ct(2)), synthetic=report, grid=None)


def kinds(findings):
    return [(finding.severity, finding.check) for finding in findings]


def test_sound_volumes_pass_without_a_finding():
    assert found([ct(1), ct(2)]) == []
    raise_on_errors([])


def test_real_ct_passes_and_its_grid_is_compared():
    files = [DATA / "ct_abdomen_pelvis.nii.gz", DATA / "cta_heart.nii.gz"]
    report = SideReport("real", tuple((path.name, file_facts(path)) for path in files))
    findings = check(real=report, synthetic=report, grid=Grid(shape=(64, 64, 64)))
    assert {finding.check for finding in findings} == {"grid", "copy"}
    assert "error" not in {finding.severity for finding in findings}


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (0, 255), (0.2, 0.7), (-0.5, 0.9), (-3.5, 3.5), (10, 60)])
def test_scaled_images_are_refused_and_not_rescaled(limits):
    findings = found([uniform(*limits)])
    assert kinds(findings) == [("error", "not_hu")]
    assert "undo the scaling" in findings[0].detail
    with pytest.raises(IntensityError, match="synthetic0"):
        raise_on_errors(findings)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ((0, 1), "scaled to 0 to 1,"),
        ((0.2, 1.0005), "scaled to 0 to 1,"),
        ((-1, 1), "scaled to -1 to 1,"),
        ((-0.5, 0.9), "scaled to -1 to 1,"),
        ((0, 255), "scaled to 0 to 255,"),
        ((3, 240), "scaled to 0 to 255,"),
        ((0, 3), "no CT in HU spans so little"),
    ],
)
def test_scalings_are_named_rightly(limits, name):
    (finding,) = found([uniform(*limits)])
    assert name in finding.detail


def test_unsigned_voxels_without_an_intercept_are_told(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 2500, (12, 11, 10)).astype(np.uint16)
    (finding,) = stored(tmp_path / "a.nii.gz", voxels)
    assert (finding.severity, finding.check) == ("warning", "stored_type")
    assert "uint16" in finding.detail
    assert stored(tmp_path / "b.nii.gz", voxels, intercept=-1024) == []
    assert kinds(stored(tmp_path / "c.nii.gz", voxels.astype(np.int16))) == [("warning", "offset")]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_eight_bits_are_too_few_levels_even_if_they_span_hu(tmp_path, dtype):
    voxels = np.random.default_rng(0).integers(0, 127, (12, 11, 10)).astype(dtype)
    (finding,) = stored(tmp_path / "a.nii.gz", voxels, slope=20.0, intercept=-1024)
    assert (finding.severity, finding.check) == ("warning", "stored_type")
    assert "256 levels" in finding.detail


def test_eight_bit_images_are_refused_on_the_real_side_too():
    findings = found([ct(1)], real=[uniform(0, 255, np.int16)])
    assert [finding.file for finding in findings if finding.check == "not_hu"] == ["real0"]


def test_a_constant_volume_is_refused():
    findings = found([Volume(np.full((12, 11, 10), -1000, np.int16))])
    assert kinds(findings) == [("error", "constant")]
    with pytest.raises(IntensityError, match="-1000"):
        raise_on_errors(findings)


@pytest.mark.parametrize(
    ("limits", "name"), [((0, 4095), "offset"), ((-9000, 1000), "far_below"), ((-1024, 30000), "far_above")]
)
def test_odd_ranges_only_warn(limits, name):
    findings = found([uniform(*limits)])
    assert kinds(findings) == [("warning", name)]
    raise_on_errors(findings)


@pytest.mark.parametrize(("axis", "plane"), [(0, "yz"), (1, "zx"), (2, "xy")])
def test_many_constant_slices_warn_and_name_their_plane(axis, plane):
    voxels = ct().voxels.copy()
    np.moveaxis(voxels, axis, 0)[:2] = -1000
    assert facts(Volume(voxels))["constant_slices"][plane] == pytest.approx(2 / voxels.shape[axis])
    assert found([Volume(voxels)]) == []
    np.moveaxis(voxels, axis, 0)[:5] = -1000
    findings = found([Volume(voxels)])
    assert kinds(findings) == [("warning", "constant_slices")]
    assert plane in findings[0].detail


def test_duplicates_within_a_side_warn_whatever_their_affine_and_type():
    same = ct(1)
    copies = [same, Volume(same.voxels.astype(np.float32)), Volume(same.voxels, np.diag([1, 1, 1.001, 1]))]
    findings = found(copies)
    assert kinds(findings) == [("warning", "duplicate")]
    assert "synthetic1 and 1 more" in findings[0].detail


def test_a_synthetic_copy_of_a_real_volume_warns():
    findings = found([ct(1), ct(101)])
    assert kinds(findings) == [("warning", "copy")]
    assert findings[0].file == "synthetic1"
    assert "real1" in findings[0].detail


def test_a_reference_volume_among_the_held_out_ones_lowers_the_floor():
    findings = found([ct(1)], held_out=[ct(3), ct(101), ct(3)])
    assert kinds(findings) == [("warning", "duplicate"), ("warning", "copy")]
    assert [finding.file for finding in findings] == ["held-out0", "held-out1"]
    assert "the real real1: it makes the floor too low" in findings[1].detail


def test_held_out_volumes_must_be_hu_and_may_be_none():
    assert kinds(found([ct(1)], held_out=[uniform(0, 1)])) == [("error", "not_hu")]
    assert found([ct(1)], held_out=[]) == []


@pytest.mark.parametrize(
    "synthetic",
    [
        [ct(1), ct(2, shape=(12, 11, 9))],
        [ct(1, shape=(12, 11, 9))],
        [ct(1), ct(2, spacing=(1, 1, 2))],
        [ct(1, spacing=(1, 1, 2))],
    ],
    ids=["shape within", "shape between", "spacing within", "spacing between"],
)
def test_grids_that_differ_are_an_error_without_a_canonical_grid_and_a_note_with_one(synthetic):
    findings = found(synthetic)
    assert kinds(findings) == [("error", "grid")]
    with pytest.raises(GeometryError, match=r"--shape.*canonical grid"):
        raise_on_errors(findings)
    assert kinds(found(synthetic, Grid(shape=(12, 11, 10)))) == [("note", "grid")]


def test_a_side_that_may_lack_its_spacing_warns_where_it_would_be_resampled():
    findings = found([ct(1), ct(2)], Grid(shape=(8, 8, 8), spacing_mm=(1, 1, 1)), real=[ct(3, spacing=(0.7, 0.7, 1))])
    assert kinds(findings) == [("warning", "grid")]


def test_spacings_that_differ_by_rounding_are_one():
    assert found([ct(1), ct(2, spacing=(1.00001, 0.9999, 1.001))]) == []


@pytest.mark.parametrize("spacing", [0.05, 25.0])
def test_implausible_spacing_warns(spacing):
    findings = found([ct(1, spacing=(1, 1, spacing))], Grid(shape=(12, 11, 10)))
    assert ("warning", "spacing") in kinds(findings)


def test_a_file_without_orientation_warns(tmp_path):
    image = nib.Nifti1Image(ct(1).voxels, None)
    image.to_filename(tmp_path / "a.nii.gz")
    report = SideReport("synthetic", (("a.nii.gz", file_facts(tmp_path / "a.nii.gz")),))
    assert kinds(check(real=side("real", ct(2)), synthetic=report, grid=None)) == [("warning", "orientation")]


def cut_off(count, low, high):
    return [
        Volume(np.random.default_rng(seed).integers(-1500, 1500, (12, 11, 10)).clip(low, high).astype(np.int16))
        for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("synthetic", "real", "said"),
    [
        ((-1000, 300), (-1000, 1000), "synthetic volumes end at 300 HU, real ones go on above"),
        ((-1000, 1000), (-1000, 400), "real volumes end at 400 HU, synthetic ones go on above"),
        ((-500, 1000), (-1000, 1000), "synthetic volumes begin at -500 HU, real ones go on below"),
    ],
)
def test_sides_that_were_clipped_differently_inside_the_window_warn(synthetic, real, said):
    findings = check(
        real=side("real", *cut_off(4, *real)),
        synthetic=side("synthetic", *cut_off(4, *synthetic)),
        grid=None,
        window=Window(),
    )
    [finding] = [finding for finding in findings if finding.check == "window"]
    assert finding.severity == "warning" and said in finding.detail


@pytest.mark.parametrize(
    ("synthetic", "real", "window"),
    [((-1000, 300), (-1000, 300), Window()), ((-1000, 300), (-1000, 1000), Window(low=-160, high=240))],
)
def test_clipping_alike_or_outside_the_window_is_no_matter(synthetic, real, window):
    findings = check(
        real=side("real", *cut_off(4, *real)),
        synthetic=side("synthetic", *cut_off(4, *synthetic)),
        grid=None,
        window=window,
    )
    assert not [finding for finding in findings if finding.check == "window"]


def test_volumes_that_end_at_values_of_their_own_were_not_clipped():
    real = [Volume(volume.voxels.clip(-1000, 300 + seed)) for seed, volume in enumerate(cut_off(4, -1000, 1000))]
    findings = check(
        real=side("real", *real), synthetic=side("synthetic", *cut_off(4, -1000, 1000)), grid=None, window=Window()
    )
    assert not [finding for finding in findings if finding.check == "window"]


def test_an_empty_side_is_an_error():
    findings = check(real=side("real"), synthetic=side("synthetic", ct()), grid=None)
    assert kinds(findings) == [("error", "empty")]
    with pytest.raises(DataError, match="real"):
        raise_on_errors(findings)


def test_errors_come_first_and_the_message_counts_the_rest():
    findings = found([ct(1), ct(1), uniform(0, 1), Volume(np.zeros((12, 11, 10), np.int16))])
    assert kinds(findings) == [("error", "not_hu"), ("error", "constant"), ("warning", "duplicate")]
    with pytest.raises(IntensityError, match=r"synthetic2: .*and 1 more") as caught:
        raise_on_errors(findings)
    assert "\n" not in str(caught.value)
