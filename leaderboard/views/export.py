"""Boards in a format, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from leaderboard.ranking.rows import Board
from leaderboard.store.store import Store
from leaderboard.views.document import csv_text, document
from leaderboard.views.latex import latex_text
from leaderboard.views.markdown import markdown_text

Kind = Literal["csv", "md", "html", "json", "latex"]


def export(store: Store, boards: Sequence[Board], kind: Kind, out: Path) -> str:
    """Return boards as a file's text.

    Args:
        store: where they come from; a page asks it for pictures and protocols.
        boards: one or more tracks.
        kind: of file.
        out: where the file will lie: a page links to reports from there.
    """
    if kind == "html":
        from leaderboard.views.page.page import page

        return page(store, boards, out)
    if kind == "json":
        return json.dumps(document(boards), allow_nan=False) + "\n"
    return {"csv": csv_text, "md": markdown_text, "latex": latex_text}[kind](boards)
