"""Progress on stderr: bars with time left on a terminal, one line a stage otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medbench.storage.names import shown

T = TypeVar("T")


class ConsoleProgress:
    """Draws a bar for each task on a terminal; elsewhere writes one line when a task ends.

    Args:
        console: writes to stderr.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items under a bar."""
        task = shown(task)
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description:<28}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=self._console) as bars:
                yield from bars.track(items, total=total, description=task)
            return
        started = time.monotonic()
        count = 0
        for item in items:
            yield item
            count += 1
        self._console.print(f"{task}: {count} in {time.monotonic() - started:.1f} s")

    def note(self, message: str) -> None:
        """Write one line."""
        self._console.print(shown(message))
