"""Progress on stderr: bars with time left on a terminal, one line a stage otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from medbench.storage.names import shown

T = TypeVar("T")


_REMEMBERED_S = 3600.0  # steps behind the time left: a volume may take minutes


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


class ConsoleProgress:
    """Draws a bar for each task on a terminal; elsewhere writes one line when a task ends.

    Args:
        console: writes to stderr.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items under a bar."""
        task = shown(task)
        if self._console.is_terminal:
            yield from self._under_bar(items, task, total)
            return
        started = time.monotonic()
        count = 0
        for item in items:
            yield item
            count += 1
        self._console.print(f"{task}: {count} in {time.monotonic() - started:.1f} s")

    def _under_bar(self, items: Iterable[T], task: str, total: int | None) -> Iterator[T]:
        """Draw a bar; one that is begun while another is drawn stands below it, and leaves with its end."""
        inner = self._bars is not None
        bars = self._bars or Progress(*_columns(), console=self._console, speed_estimate_period=_REMEMBERED_S)
        with nullcontext() if inner else bars:
            self._bars, bar = bars, bars.add_task(task, total=total)
            try:
                yield from bars.track(items, total=total, task_id=bar)
            finally:
                if inner:
                    bars.remove_task(bar)
                else:
                    self._bars = None

    def note(self, message: str) -> None:
        """Write one line."""
        self._console.print(shown(message))
