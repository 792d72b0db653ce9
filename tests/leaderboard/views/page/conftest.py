"""The page of a board, in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.store.store import Store
from leaderboard.views.page.page import page


@pytest.fixture
def written(shown_store: Store, board: Any, tmp_path: Path) -> Callable[[], Path]:
    """Write the page of the board into a folder of its own."""

    def write() -> Path:
        out = tmp_path / "pages" / "board.html"
        out.parent.mkdir(exist_ok=True)
        out.write_text(page(shown_store, [board], out), encoding="utf-8")
        return out

    return write
