"""Which of sform, qform and pixdim is believed, and what is said of the others."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medbench.imaging.formats import read_header
from medbench.imaging.formats.geometry import spacing_of

LPS = np.array([[-2.0, 0, 0, 60], [0, -2, 0, 50], [0, 0, 3, -30], [0, 0, 0, 1]])


def header(path, *, sform=LPS, qform=LPS, codes=(1, 1), pixdim=None):
    """Write a plain NIfTI file whose three witnesses say these things; return what is read of it."""
    fields = nib.Nifti1Header()
    fields.set_data_shape((4, 5, 6))
    fields.set_data_dtype(np.int16)
    fields.set_qform(qform, codes[1], strip_shears=True)
    fields.set_sform(sform, codes[0])
    if pixdim is not None:
        fields["pixdim"][1:4] = pixdim
    fields["vox_offset"], fields["magic"] = 352, b"n+1"
    path.write_bytes(fields.binaryblock + bytes(4) + bytes(2 * 120))
    return read_header(path)


def told(found):
    return [(finding.severity, finding.detail) for finding in found.findings]


def test_witnesses_that_agree_need_no_word(tmp_path):
    assert told(header(tmp_path / "a.nii")) == []


def test_a_stale_sform_yields_to_qform_and_pixdim(tmp_path):
    found = header(tmp_path / "a.nii", sform=np.eye(4))
    np.testing.assert_allclose(found.stored_affine, LPS, atol=1e-5)
    ((severity, detail),) = told(found)
    assert severity == "warning"
    assert "the sform says 1 x 1 x 1 mm, qform and pixdim 2 x 2 x 3 mm: the qform is taken" in detail


@pytest.mark.parametrize(
    ("qform", "said"),
    [(np.diag([2.0, 2, 3, 1]), "axes LPS against RAS"), (LPS + np.eye(4, k=3) * 9, "first voxels 9.0 mm apart")],
)
def test_a_qform_that_places_voxels_otherwise_is_told_and_the_sform_taken(tmp_path, qform, said):
    found = header(tmp_path / "a.nii", qform=qform)
    np.testing.assert_allclose(found.stored_affine, LPS, atol=1e-5)
    ((severity, detail),) = told(found)
    assert severity == "warning" and said in detail


def test_a_qform_cannot_hold_a_shear_and_that_is_no_contradiction(tmp_path):
    sheared = LPS + 1.4 * np.eye(4, k=1) * [[0], [1], [0], [0]]
    steps = spacing_of(sheared)
    assert told(header(tmp_path / "a.nii", sform=sheared, qform=sheared, pixdim=steps)) == []


def test_an_identity_sform_with_zooms_set_later_yields_to_pixdim(tmp_path):
    found = header(tmp_path / "a.nii", sform=np.eye(4), codes=(2, 0), pixdim=(2, 2, 3))
    assert spacing_of(found.affine) == (2, 2, 3)
    assert "pixdim is taken" in told(found)[0][1]


def test_pixdim_against_a_true_sform_is_told(tmp_path):
    found = header(tmp_path / "a.nii", codes=(1, 0), pixdim=(2, 2, 5))
    assert spacing_of(found.affine) == (2, 2, 3)
    assert told(found) == [
        ("warning", "the sform says 2 x 2 x 3 mm, pixdim 2 x 2 x 5 mm: the sform is taken, correct pixdim")
    ]


def test_negative_pixdim_beside_an_sform_of_the_same_steps_is_accepted_and_said(tmp_path):
    found = header(tmp_path / "a.nii", codes=(1, 0), pixdim=(-2, -2, 3))
    assert spacing_of(found.affine) == (2, 2, 3)
    assert [severity for severity, _ in told(found)] == ["note"]
