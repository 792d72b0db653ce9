"""Progress beside a terminal: one line a finished task."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.progress import ConsoleProgress


@pytest.mark.parametrize("items", ["", "abc"])
def test_a_task_is_told_in_one_line_when_it_ends(items: str) -> None:
    written = io.StringIO()
    progress = ConsoleProgress(Console(file=written, width=80))
    assert "".join(progress.track(items, task="sample")) == items
    progress.note("done")
    told, note = written.getvalue().splitlines()
    assert told.startswith(f"sample: {len(items)} in ")
    assert note == "done"
