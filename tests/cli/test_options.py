from __future__ import annotations

import pytest

from cli.options import parse_shape
from medbench.errors import SpecError


@pytest.mark.parametrize("text", ["512x64x8", "512X64X8", " 512,64,8 "])
def test_a_shape_is_three_numbers_with_an_x_or_a_comma_between(text: str) -> None:
    assert parse_shape(text) == (512, 64, 8)


@pytest.mark.parametrize("text", ["", "64x64", "64x64x0", "64x64x-8", "64 64 8", "64x64x8x1", "1000000x1x1"])
def test_other_texts_are_no_shape(text: str) -> None:
    with pytest.raises(SpecError, match="write it like 512x512x256"):
        parse_shape(text)
