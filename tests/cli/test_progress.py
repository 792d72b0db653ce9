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


def test_a_task_within_a_task_has_a_bar_of_its_own_on_a_terminal() -> None:
    written = io.StringIO()
    progress = ConsoleProgress(Console(file=written, width=100, force_terminal=True))
    outer = progress.track("ab", task="evaluate", total=2)
    assert [(one, "".join(progress.track("xyz", task="features", total=3))) for one in outer] == [
        ("a", "xyz"),
        ("b", "xyz"),
    ]
    last = written.getvalue().rsplit("evaluate", 1)[1]
    assert "2/2" in last
    assert "features" not in last
    assert "features" in written.getvalue()
