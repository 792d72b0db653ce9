"""``medbench compare``."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.session import Session, in_session

if TYPE_CHECKING:
    from leaderboard.comparison.compare import Row

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN RUN..", help="Folders that 'medbench run' or 'evaluate' made, or results.json files."),
]


@in_session
def compare(
    ui: Session,
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="Write the table to this CSV file, too.")] = None,
) -> None:
    """Compare runs pair by pair: differences with 95 % intervals and p-values, where their protocols are the same."""
    from leaderboard.comparison.compare import compare as compare_runs
    from leaderboard.comparison.compare import open_runs, require_any, write_rows

    opened = open_runs(runs)
    rows, apart = compare_runs(opened)
    require_any(rows, apart)
    if out is not None:
        write_rows(out, rows)
    if ui.as_json:
        ui.print_json([asdict(row) for row in rows])
    else:
        _print_rows(ui, rows)
    for one in apart:
        ui.complain(f"not comparable: {one.metric} of {one.a} and {one.b}: {one.reason}")
    for run in opened:
        for leak in run.report.leaks:
            ui.complain(f"leak of {run.name}: {leak}")


def _print_rows(ui: Session, rows: Sequence[Row]) -> None:
    """Print one line a row, 80 columns wide: runs stand as letters, and a legend names them."""
    from leaderboard.comparison.compare import p_words
    from medbench.drawing.text import ARROWS, interval, number

    letters = {name: letter for name, letter in zip(_in_order(rows), _letters())}
    cells = [
        (
            f"{row.metric} {ARROWS[row.better]}",
            f"{letters[row.a]}, {letters[row.b]}",
            number(row.value_a),
            number(row.value_b),
            number(row.difference),
            interval(row.ci95),
            p_words(row.p_value),
            p_words(row.p_adjusted),
        )
        for row in rows
    ]
    ui.table(("metric", "runs", "a", "b", "a - b", "95 % interval", "p", "p (Holm)"), cells)
    ui.say(*(f"{letter}: {name}" for name, letter in letters.items()))
    tested = sum(row.p_value is not None for row in rows)
    ui.say(f"Holm's adjustment over the {tested} test{'' if tested == 1 else 's'} of this table.")
    for metric, test in dict.fromkeys((row.metric, row.test) for row in rows):
        ui.say(f"{metric}: {test}")


def _in_order(rows: Sequence[Row]) -> list[str]:
    """Return the runs as they were given: each is compared with those after it."""
    return list(dict.fromkeys([*(row.a for row in rows), *(row.b for row in rows)]))


def _letters() -> Iterator[str]:
    """Yield A to Z, then AA to ZZ and so on."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=length))
