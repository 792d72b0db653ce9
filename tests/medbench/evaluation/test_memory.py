"""What stays in memory is small, bounded and cannot be spoiled."""

import numpy as np
import pytest

from medbench.evaluation import memory
from medbench.evaluation.cache import Cache
from medbench.evaluation.memory import LARGEST_BYTES, Memory


def test_an_entry_comes_back_and_cannot_be_written_to():
    kept = Memory()
    kept.keep("a", {"x": np.arange(3)})
    found = kept.get("a")
    assert found is not None and found["x"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        found["x"][0] = 5
    found.clear()
    assert kept.get("a")
    assert kept.get("b") is None


def test_large_entries_and_what_is_beyond_the_bound_are_not_kept(monkeypatch):
    monkeypatch.setattr(memory, "MOST_BYTES", 100)
    kept = Memory()
    kept.keep("large", {"x": np.zeros(LARGEST_BYTES, dtype=np.uint8), "y": np.zeros(1)})
    kept.keep("first", {"x": np.zeros(10)})
    kept.keep("second", {"x": np.zeros(10)})
    assert [key in kept for key in ("large", "first", "second")] == [False, True, False]


def test_a_cache_reads_the_file_of_a_small_entry_once(tmp_path, monkeypatch):
    cache, opened = Cache(tmp_path), []
    load = np.load
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: opened.append(args) or load(*args, **kwargs))
    for _ in range(4):
        assert cache.arrays("k", 64 * "0", {}, lambda: {"x": np.ones(2), "y": np.zeros(1)})["x"].tolist() == [1, 1]
    assert len(opened) == 1
    assert list(cache.arrays("k", 64 * "0", {}, dict, only=("y",))) == ["y"]
    assert len(opened) == 1
