"""What first bytes tell."""

from __future__ import annotations

import pytest

from medbench.imaging.formats.content import is_dicom, is_text, pointer, told_by


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (b"\x1f\x8b\x08", "gzip data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x89PNG\r\n", "a 2D picture"),
        (b"  <html>", "a web page"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"../../.git/annex/objects/XX/yy", "a git-annex pointer"),
    ],
)
def test_kinds_are_told(block, what):
    assert told_by(block)[0] == what


def test_what_says_nothing_tells_nothing():
    assert told_by(b"") is None
    assert told_by(bytes(200)) is None
    assert pointer(b"\x1f\x8b") is None


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (bytes(128) + b"DICM", True),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100", True),
        (b"\x02\0\0\0UL\4\0", False),
        (b"\x02\0\0\0UL\4\0\xc8\0\0\0", True),
        (b"\x08\0\xff\x7f\0\0\0\0\0", False),
        (b"plain words, nothing more", False),
        (b"", False),
    ],
)
def test_dicom_is_known_by_its_mark_or_its_first_element(block, expected):
    assert is_dicom(block) is expected


@pytest.mark.parametrize(
    ("block", "expected"),
    [(b"words\r\n", True), ("Müll".encode()[:-3], True), (b"\0\0", False), (b"\xff\xfe", False), (b"", False)],
)
def test_text_is_told_from_data(block, expected):
    assert is_text(block) is expected
