"""Parts of a run by their numbers."""

from __future__ import annotations

import pytest

from medbench.errors import SpecError
from medbench.pipeline.shard import WHOLE, Shard


def test_the_shards_of_any_number_are_all_items_once() -> None:
    items = list(range(11))
    for count in (1, 2, 3, 11, 20):
        parts = [Shard(number, count).of(items) for number in range(1, count + 1)]
        assert sorted(item for part in parts for item in part) == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert WHOLE.of(items) == items


def test_a_shard_is_read_from_its_number_and_their_count() -> None:
    assert Shard.parse(" 3/8 ") == Shard(3, 8)
    assert Shard.parse("3/8").name == "3of8"
    for wrong in ("0/8", "9/8", "3", "3/0", "a/b", "-1/8", ""):
        with pytest.raises(SpecError, match="give I/N with I from 1 to N"):
            Shard.parse(wrong)
