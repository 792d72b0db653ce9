"""``medbench leaderboard``: who stands where, and what the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import LeaderboardUrl
from cli.session import Session, in_session
from cli.study import one_of

if TYPE_CHECKING:
    from leaderboard.ranking.rows import Board, Contest
    from leaderboard.store.store import Added, Store

app = typer.Typer(no_args_is_help=True, help="Runs ranked within their tracks: show, export, add, merge, remove.")

FORMATS = ("csv", "md", "html", "json", "latex")

Track = Annotated[str | None, typer.Option(help="A track of 'leaderboard tracks', or how its name begins; else all.")]
MetricNames = Annotated[
    list[str] | None, typer.Option("--metric", help="Show this metric, once for each; all where not given.")
]
Reported = Annotated[bool, typer.Option(help="Show what others published on the data set, apart and unranked.")]
Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN..", help="Folders that 'medbench run' or 'evaluate' made, or results.json files."),
]


@app.command()
@in_session
def show(
    ui: Session,
    track: Track = None,
    metric: MetricNames = None,
    reported: Reported = True,
    top: Annotated[int, typer.Option(min=1, help="Print at most so many rows of each table.")] = 20,
    leaderboard: LeaderboardUrl = None,
) -> None:
    """Show who stands where: values, intervals, floors, places, mean ranks."""
    from leaderboard.views.document import listing

    store = _opened(leaderboard)
    boards = _boards(store, track, metric or [], reported=reported)
    if ui.as_json:
        ui.print_json(listing(boards))
        return
    if not boards:
        ui.say(f"{store.name} is empty")
    for board in boards:
        _print_board(ui, board, top)


@app.command()
@in_session
def export(
    ui: Session,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    kind: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "html",
    track: Track = None,
    metric: MetricNames = None,
    reported: Reported = True,
    leaderboard: LeaderboardUrl = None,
) -> None:
    """Write a board to a file: a table for a paper, data for a program, or one HTML page."""
    from leaderboard.views.export import export as export_boards
    from medbench.storage.files import write_text

    wanted = one_of(kind, FORMATS, "--format")
    store = _opened(leaderboard)
    boards = _boards(store, track, metric or [], reported=reported)
    write_text(out, export_boards(store, boards, wanted, out))
    ui.tell({"out": str(out), "format": wanted, "tracks": [board.track for board in boards]}, f"{wanted}: {out}")


@app.command()
@in_session
def add(ui: Session, runs: Runs, leaderboard: LeaderboardUrl = None) -> None:
    """Add runs, all or none; what is there already is left as it is."""
    from leaderboard.store.entry import read_entry

    entries = [read_entry(run) for run in runs]
    store = _opened(leaderboard, create=True)
    _tell_outcomes(ui, store, dict(zip((entry.run["id"] for entry in entries), store.add(entries))))


@app.command()
@in_session
def merge(
    ui: Session,
    other: Annotated[str, typer.Argument(help="Another leaderboard (file or URL), or a folder of runs.")],
    leaderboard: LeaderboardUrl = None,
) -> None:
    """Add all runs of another leaderboard, or of all results.json files below a folder."""
    from leaderboard.store.merge import merge as merge_into

    store = _opened(leaderboard, create=True)
    merged = merge_into(store, other, ui.progress)
    for reason in merged.left_out:
        ui.complain(f"left out: {reason}")
    _tell_outcomes(ui, store, merged.outcomes)


@app.command()
@in_session
def remove(
    ui: Session,
    ids: Annotated[list[str], typer.Argument(metavar="ID..", help="Ids that 'leaderboard show' lists.")],
    leaderboard: LeaderboardUrl = None,
) -> None:
    """Remove runs, all or none; their folders stay."""
    store = _opened(leaderboard)
    store.remove(ids)
    ui.tell({"removed": ids}, f"removed from {store.name}: {', '.join(ids)}")


@app.command()
@in_session
def tracks(ui: Session, leaderboard: LeaderboardUrl = None) -> None:
    """List the tracks: only runs of one track are ranked against each other."""
    rows = _opened(leaderboard).tracks()
    if ui.as_json:
        ui.print_json([asdict(row) for row in rows])
        return
    ui.table(("track", "runs", "models"), [(row.track, str(row.rows), ", ".join(row.models)) for row in rows])


@app.command()
@in_session
def results(
    ui: Session,
    run: Annotated[str, typer.Argument(metavar="ID", help="An id that 'leaderboard show' lists.")],
    out: Annotated[Path, typer.Option(help="The folder that the files go to.")],
    leaderboard: LeaderboardUrl = None,
) -> None:
    """Write the results.json files that a run's numbers come from, to check them again."""
    from medbench.storage.files import atomic_path

    written = []
    for place, content in enumerate(_opened(leaderboard).documents(run).values()):
        file = out / ("results.json" if place == 0 else f"results-{place}.json")
        with atomic_path(file) as temporary:
            temporary.write_bytes(content)
        written.append(str(file))
    ui.tell({"run": run, "files": written}, *written)


def _opened(asked: str | None, *, create: bool = False) -> Store:
    from leaderboard.store.store import Store

    return Store.open(asked, create=create)


def _boards(store: Store, track: str | None, metrics: Sequence[str], *, reported: bool) -> list[Board]:
    from leaderboard.ranking.board import open_board, tracks_asked
    from leaderboard.reported.rows import reported_rows

    return [
        open_board(
            store,
            name,
            metrics=metrics,
            reported=reported_rows(dataset=name.rpartition("/")[0]) if reported else (),
        )
        for name in tracks_asked(store, track)
    ]


def _tell_outcomes(ui: Session, store: Store, outcomes: dict[str, Added]) -> None:
    words = {"added": "added", "updated": "new metrics of a run that was there", "there": "there already"}
    ui.tell(
        {"leaderboard": store.name, "runs": outcomes},
        *(f"{key}: {words[outcome]}" for key, outcome in outcomes.items()),
        f"leaderboard: {store.name}",
    )


def _print_board(ui: Session, board: Board, top: int) -> None:
    from leaderboard.views import cells
    from leaderboard.views.escape import plain

    ui.out.print(plain(board.track), style="bold")
    rows = [
        (
            row.run.id,
            cells.name_of(row.run),
            ", ".join(cells.marks_of(row.run, row.standings)),
            row.run.run,
            cells.native(row.run),
            cells.budget(row.run),
            cells.mean_rank(row.overall),
        )
        for row in cells.wide(board)[:top]
    ]
    ui.table(("id", "model", "marks", "run", "native", "memory", "mean rank"), rows, whole=("id", "native"))
    for contest in board.contests:
        _print_contest(ui, contest, board, top)
    if len(board.runs) > top:
        ui.say("", f"{len(board.runs)} runs in all: --top says how many rows are printed")
    ui.say("", *cells.footnotes(board)[:top], *cells.RULES)
    for title, figures in cells.reported_by_metric(board).items():
        ui.say("", f"{title} (reported, not measured here)")
        ui.table(("model", "value", "source"), figures)
    ui.say("")


def _print_contest(ui: Session, contest: Contest, board: Board, top: int) -> None:
    from leaderboard.views import cells
    from medbench.drawing.text import ABSENT, interval, number

    ui.say("", cells.heading(contest, board.contests))
    rows = [
        (
            cells.places(one.rank_ci95),
            cells.name_of(one.run),
            one.run.run,
            number(one.value),
            interval(one.ci95) if one.ci95 else ABSENT,
            number(one.floor),
            f"{one.n_real}/{one.n_synthetic}",
        )
        for one in contest.standings[:top]
    ]
    ui.table(("place", "model", "run", "value", "95 % interval", "floor", "n"), rows)
