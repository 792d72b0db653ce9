"""What parts of a run needed, for who collects."""

from __future__ import annotations

from pathlib import Path

from medbench.records.parts import forget_parts, keep_memory, kept_memories
from medbench.records.results import StageMemory


def memory(rss: int) -> StageMemory:
    return StageMemory(allocated_bytes=None, reserved_bytes=None, process_bytes=None, rss_bytes=rss, seconds=1.0)


def test_each_part_is_kept_once_and_a_damaged_note_is_passed_over(tmp_path: Path) -> None:
    assert kept_memories(tmp_path) == []
    keep_memory(tmp_path, "1of2", memory(1))
    keep_memory(tmp_path, "2of2", memory(2))
    keep_memory(tmp_path, "2of2", memory(3))
    assert [one.rss_bytes for one in kept_memories(tmp_path)] == [1, 3]
    next(iter(sorted(tmp_path.rglob("1of2.json")))).write_text("{", encoding="utf-8")
    assert [one.rss_bytes for one in kept_memories(tmp_path)] == [3]
    forget_parts(tmp_path)
    assert kept_memories(tmp_path) == []
