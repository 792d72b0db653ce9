from __future__ import annotations

import json

import pytest

from medbench.storage.checksums import with_checksum, without_checksum

DOCUMENT = {"value": 0.1, "counts": (8, 6), "name": "é", "nested": {"b": 1, "a": None}}


def test_a_document_comes_back_without_its_checksum() -> None:
    stored = json.loads(json.dumps(with_checksum(DOCUMENT), indent=2))
    assert without_checksum(stored) == {**DOCUMENT, "counts": [8, 6]}


@pytest.mark.parametrize("old, new", [("0.1", "0.2"), ("8", "9"), ("null", "0"), ('"b"', '"c"')])
def test_a_change_is_noticed(old: str, new: str) -> None:
    stored = json.dumps(with_checksum(DOCUMENT)).replace(old, new, 1)
    with pytest.raises(ValueError, match="changed after it was written"):
        without_checksum(json.loads(stored))


def test_what_another_tool_wrote_is_taken_as_it_is() -> None:
    assert without_checksum({"value": 1}) == {"value": 1}
    assert without_checksum([1]) == [1]
