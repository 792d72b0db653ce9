"""Runs in one table for a paper: value with interval, the floor below, the best in bold where it is beyond chance."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from leaderboard.ranking.board import open_board
from leaderboard.ranking.rows import Board, Contest, RunRow
from leaderboard.store.entry import read_entry
from leaderboard.store.store import Store
from leaderboard.views import cells
from leaderboard.views.document import csv_text
from leaderboard.views.escape import latex, markdown
from leaderboard.views.latex import figure, heading, tabular, value_cell
from leaderboard.views.markdown import table as markdown_table
from medbench.drawing.text import ABSENT, number
from medbench.errors import SpecError

FLOOR = "real (floor)"
_INTERVALS = "Values with 95 % intervals; the last row is what real volumes score."


def boards_of(runs: Sequence[Path], *, metrics: Sequence[str]) -> list[Board]:
    """Return the tracks of some runs, ranked among themselves as a leaderboard of them alone would.

    Args:
        runs: folders that ``run`` or ``evaluate`` made, or results.json files.
        metrics: those that are shown, in this order; all where empty.

    Raises:
        SpecError: a run is named twice, or none has one of the metrics.
        DataError: results that are absent, damaged or not trusted.
    """
    entries = [read_entry(run) for run in runs]
    twice = [one for one, count in Counter(entry.run["id"] for entry in entries).items() if count > 1]
    if twice:
        same = " and ".join(str(run) for run, entry in zip(runs, entries) if entry.run["id"] == twice[0])
        raise SpecError(f"{same} are the same run: name each run once")
    there = {result["metric"] for entry in entries for result in entry.results}
    if unknown := [metric for metric in metrics if metric not in there]:
        raise SpecError(f"no run has a number of '{unknown[0]}': choose from {', '.join(sorted(there)) or 'none'}")
    with tempfile.TemporaryDirectory(prefix="medbench-table-") as scratch:
        store = Store.open(str(Path(scratch) / "table.sqlite"), create=True)
        store.add(entries)
        boards = []
        for track in dict.fromkeys(entry.run["track"] for entry in entries):
            own = {result["metric"] for entry in entries if entry.run["track"] == track for result in entry.results}
            board = open_board(store, track, metrics=[metric for metric in metrics if metric in own])
            boards.append(replace(board, fields=()))  # a table of values has no mean rank
    return boards


def paper_text(boards: Sequence[Board], kind: str, *, metrics: Sequence[str]) -> str:
    """Return a table a track.

    Args:
        boards: of ``boards_of``.
        kind: ``md``, ``csv`` (one line a run and metric) or ``latex`` (needs the package booktabs).
        metrics: the order of the columns; a leaderboard's where empty.
    """
    if kind == "csv":
        return csv_text(boards)
    writer = {"md": _markdown, "latex": _latex}[kind]
    return "\n".join(writer(board, _columns(board, metrics)) for board in boards)


def _columns(board: Board, metrics: Sequence[str]) -> list[int]:
    """Return the places of the board's contests in the order of metrics."""
    order = {metric: place for place, metric in enumerate(metrics)}
    places = range(len(board.contests))
    return sorted(places, key=lambda place: order.get(board.contests[place].metric, place))


def _names(board: Board) -> Mapping[str, str]:
    """Return what each run is called, by id: by its model, and by its own name where two have one model."""
    count = Counter(cells.name_of(run) for run in board.runs)

    def called(run: RunRow) -> str:
        name = cells.name_of(run)
        marks = cells.marks_of(run)
        return (name if count[name] == 1 else f"{name} ({run.run})") + (f" [{', '.join(marks)}]" if marks else "")

    return {run.id: called(run) for run in board.runs}


def _floor(contest: Contest, figures: Callable[[float], str]) -> str:
    """Return the floor of a column; both ends where it differs from run to run."""
    floors = [one.floor for one in contest.standings if one.floor is not None]
    if not floors:
        return ABSENT
    ends = dict.fromkeys(figures(end) for end in (min(floors), max(floors)))
    return " to ".join(ends)


def _notes(board: Board) -> list[str]:
    counts = dict.fromkeys(f"{one.n_real}/{one.n_synthetic}" for c in board.contests for one in c.standings)
    return [_INTERVALS, cells.BOLD, f"Volumes (real/synthetic): {', '.join(counts)}.", *cells.footnotes(board)]


def _markdown(board: Board, columns: Sequence[int]) -> str:
    contests, names = [board.contests[place] for place in columns], _names(board)
    rows = []
    for row in cells.wide(board):
        shown = [markdown(names[row.run.id])]
        for place, contest in zip(columns, contests):
            one = row.standings[place]
            value, _, ends = cells.value_of(one).partition(" ")
            bold = one is not None and cells.stands_out(one, contest)
            shown.append((f"**{value}**" if bold else value) + (f" {markdown(ends)}" if ends else ""))
        rows.append(shown)
    rows.append([FLOOR, *(_floor(contest, number) for contest in contests)])
    headings = ["run", *(markdown(cells.heading(contest, board.contests)) for contest in contests)]
    lines = [f"**{markdown(board.track)}**", "", *markdown_table(headings, rows), ""]
    return "\n".join([*lines, *(f"- {markdown(note)}" for note in _notes(board)), ""])


def _latex(board: Board, columns: Sequence[int]) -> str:
    contests, names = [board.contests[place] for place in columns], _names(board)
    rows = []
    for row in cells.wide(board):
        found = [(row.standings[place], contest) for place, contest in zip(columns, contests)]
        values = ["--" if one is None else value_cell(one, contest) for one, contest in found]
        rows.append([latex(names[row.run.id]), *values])
    floors = [_floor(contest, figure) for contest in contests]
    last = [FLOOR, *("--" if floor == ABSENT else floor for floor in floors)]
    headings = ["Run", *(heading(contest, board.contests) for contest in contests)]
    caption = f"Track {latex(board.track)}. {' '.join(latex(note) for note in _notes(board))}"
    lines = [
        "% Needs the package booktabs.",
        r"\begin{table}",
        r"  \centering",
        r"  \small",
        f"  \\caption{{{caption}}}",
        *tabular(headings, rows, columns="l" + "r" * len(contests), last=last),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
