"""What a DICOM file says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.errors import FormatError
from medbench.imaging.formats.dicom.objects import read_object

CAPTURE, MR, SR = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("7", "4", "88.22"))


def test_a_slice_tells_its_place_its_rescale_and_its_series(tmp_path, write_slices):
    one = read_object(write_slices(tmp_path / "s") / "0002.dcm")
    (frame,) = one.frames
    assert (one.instead, one.series, one.size, one.dtype) == ("", "1.2.3.1", (6, 7), np.dtype("u2"))
    assert (frame.position, frame.spacing, frame.number, frame.step) == ((-60, -50, 6), (2, 2), 3, 3)
    assert (frame.slope, frame.intercept, one.applied) == (1, -1024, (1, -1024))


def test_frames_of_an_enhanced_object_tell_theirs(tmp_path, write_enhanced):
    one = read_object(write_enhanced(tmp_path / "a.dcm", rescale=lambda k: (1 + k, -1024 - k)))
    assert [frame.position[2] for frame in one.frames] == [0, 3, 6, 9, 12]
    assert [(frame.slope, frame.intercept) for frame in one.frames] == [(1 + k, -1024 - k) for k in range(5)]
    assert one.applied == (1, -1024)  # GDCM takes the first frame's for all
    assert {frame.orientation for frame in one.frames} == {(1, 0, 0, 0, 1, 0)}


@pytest.mark.parametrize(
    ("change", "instead"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer (scout)"),
        ({"SOPClassUID": SR, "Modality": "SR"}, "SR (Enhanced SR)"),
        ({"SOPClassUID": MR, "Modality": "MR"}, "MR (MR Image)"),
        ({"SamplesPerPixel": 3}, "a colour image"),
        ({"SOPClassUID": CAPTURE, "Modality": "OT", "PixelSpacing": None}, "a secondary capture"),
        ({"SOPClassUID": CAPTURE, "Modality": "OT"}, ""),
    ],
)
def test_what_is_no_slice_of_ct_is_named(tmp_path, write_slices, change, instead):
    def alter(data, _):
        for name, value in change.items():
            setattr(data, name, value)

    assert read_object(write_slices(tmp_path / "s", change=alter) / "0000.dcm").instead == instead


@pytest.mark.parametrize("keep", [0, 100, 140, 300, 500])
def test_a_truncated_header_is_refused(tmp_path, write_slices, keep):
    path = write_slices(tmp_path / "s") / "0000.dcm"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"0000\.dcm: this DICOM file cannot be read"):
        read_object(path)


def test_a_number_that_is_none_is_refused(tmp_path, write_slices):
    path = write_slices(tmp_path / "s") / "0000.dcm"
    path.write_bytes(path.read_bytes().replace(b"-1024 ", b"-10x4 "))
    with pytest.raises(FormatError, match="cannot be read"):
        read_object(path)
