"""Headers of text lines: keys, numbers and the byte after them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from medbench.errors import FormatError
from medbench.imaging.formats.text_header import TextHeader

READ = {"separator": "=", "last": r"End =.*", "refusal": "no header"}


def test_case_and_blanks_of_keys_do_not_count_and_the_voxels_follow():
    file = io.BytesIO(b"Dim Size = 5 6 7\na remark\nEnd = here\n\x00\x01")
    header = TextHeader.read(Path("a.mhd"), file, remarks=True, **READ)
    assert header.numbers("Absent", "DimSize", kind=int) == [5, 6, 7]
    assert (header.text("end"), header.text("absent", "-")) == ("here", "-")
    assert file.getvalue()[header.end :] == b"\x00\x01"


def test_what_is_no_header_or_no_number_is_refused():
    with pytest.raises(FormatError, match=r"^a\.mhd: no header$"):
        TextHeader.read(Path("a.mhd"), io.BytesIO(b"a remark\nEnd = here\n"), remarks=False, **READ)
    header = TextHeader.read(Path("a.mhd"), io.BytesIO(b"Size = five\nEnd =\n"), remarks=False, **READ)
    with pytest.raises(FormatError, match="size = five is not a list of numbers"):
        header.numbers("size")
