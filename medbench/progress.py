"""Progress of long loops: an argument, so that the library prints nothing by itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from medbench.storage.files import storage_errors

T = TypeVar("T")


class Progress(Protocol):
    """Reports how far a task has come. ``cli`` draws bars; scripts and tests use ``silent``."""

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items while reporting progress and time left under the name ``task``."""

    def note(self, message: str) -> None:
        """Tell the user one line."""


class _Silent:
    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        del task, total
        yield from items

    def note(self, message: str) -> None:
        del message


silent: Progress = _Silent()


class Logged:
    """Passes everything on, and keeps one line for each finished task in a file.

    Args:
        inner: what the user sees.
        file: ``log.txt`` of a run; it is opened once its folder exists.
    """

    def __init__(self, inner: Progress, file: Path) -> None:
        self._inner = inner
        self._file = file

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items; write how many there were and how long they took."""
        started = time.monotonic()
        count = 0
        for item in self._inner.track(items, task=task, total=total):
            yield item
            count += 1
        self._write(f"{task}: {count} in {time.monotonic() - started:.1f} s")

    def note(self, message: str) -> None:
        """Pass a line on and keep it."""
        self._inner.note(message)
        self._write(message)

    def _write(self, line: str) -> None:
        if self._file.parent.is_dir():
            with storage_errors(self._file), self._file.open("a", encoding="utf-8") as handle:
                handle.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
