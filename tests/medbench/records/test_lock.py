"""Who works in a run folder, and what the next one is told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import SpecError
from medbench.progress import silent
from medbench.records.lock import alone, held
from medbench.records.run import RunFolder


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.waiting = threading.Event()

    def track(self, items: Iterable[Any], **about: Any) -> Iterator[Any]:
        del about
        yield from items

    def note(self, message: str) -> None:
        self.lines.append(message)
        self.waiting.set()


def test_the_second_waits_and_says_for_whom(tmp_path: Path) -> None:
    told, order = Told(), []

    def second() -> None:
        with held(tmp_path / "run", told):
            order.append("second")

    thread = threading.Thread(target=second)
    with held(tmp_path / "run", silent):
        thread.start()
        assert told.waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert f"in use by process {os.getpid()} on" in told.lines[0]


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    left = [tmp_path / "fit" / ".77-0a1b2c3d.state.pt", tmp_path / ".77-aabbcc-0a1b2c3d.results.json"]
    kept = [tmp_path / ".hidden.json", tmp_path / "77-0a1b2c3d.state.pt"]
    for path in (*left, *kept):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with held(tmp_path, silent):
        assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_the_other_processes_of_one_training_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(tmp_path, silent):
        monkeypatch.setenv("RANK", "1")
        with held(tmp_path, silent):
            pass


def test_methods_that_call_each_other_hold_one_lock_and_no_foreign_folder(tmp_path: Path) -> None:
    class Work:
        progress = silent

        def __init__(self, path: Path) -> None:
            self.folder = RunFolder(path)

        @alone
        def outer(self) -> str:
            return self.inner()

        @alone
        def inner(self) -> str:
            return "done"

    assert Work(tmp_path / "new").outer() == "done"
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SpecError, match="holds no run"):
        Work(tmp_path).outer()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "notes.txt"]


def test_parts_go_on_side_by_side_and_keep_who_wants_all_waiting(tmp_path: Path) -> None:
    told, collected = Told(), threading.Event()

    def collect() -> None:
        with held(tmp_path, told):
            collected.set()

    with held(tmp_path, silent, "1of2"), held(tmp_path, silent, "2of2"):
        whole = threading.Thread(target=collect)
        whole.start()
        assert not collected.wait(0.5)
    whole.join(20)
    assert collected.is_set()
    assert any("is in use by process" in line for line in told.lines)
    assert [path.name for path in tmp_path.glob(".lock-*")] == []
