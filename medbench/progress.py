"""Progress of long loops: an argument, so that the library prints nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

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
