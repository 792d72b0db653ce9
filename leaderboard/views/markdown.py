"""A board as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leaderboard.ranking.rows import Board
from leaderboard.reported.rows import MARK
from leaderboard.views import cells
from leaderboard.views.escape import markdown


def markdown_text(boards: Iterable[Board]) -> str:
    """Return the tracks one after another: values with intervals and places, then what others reported."""
    return "\n".join(_track(board) for board in boards)


def _track(board: Board) -> str:
    headings = ["run", "mean rank", *(cells.heading(one, board.contests) for one in board.contests), "native", "memory"]
    lines = [f"## {markdown(board.track)}", "", *_plain_table(headings, [_row(row) for row in cells.wide(board)]), ""]
    lines += [f"- {markdown(note)}" for note in (*cells.footnotes(board), *cells.RULES)]
    for title, rows in cells.reported_by_metric(board).items():
        lines += ["", f"**{markdown(title)}** ({MARK})", "", *_plain_table(("model", "value", "source"), rows)]
    return "\n".join(lines) + "\n"


def _row(row: cells.WideRow) -> list[str]:
    marks = cells.marks_of(row.run, row.standings)
    name = f"{cells.name_of(row.run)} ({row.run.run})" + (f" [{', '.join(marks)}]" if marks else "")
    standings = [
        cells.value_of(one) + (f" #{cells.places(one.rank_ci95)}" if one and one.rank else "") for one in row.standings
    ]
    return [name, cells.mean_rank(row.overall), *standings, cells.native(row.run), cells.budget(row.run)]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table of cells that are Markdown already."""
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]


def _plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    first, *others = ([markdown(cell) for cell in row] for row in (headings, *rows))
    return table(first, others)
