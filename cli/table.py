"""``medbench table``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.session import Session, in_session
from cli.study import one_of
from medbench.pipeline.options import split_names

FORMATS = ("md", "csv", "latex")

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN..", help="Folders that 'medbench run' or 'evaluate' made, or results.json files."),
]


@in_session
def table(
    ui: Session,
    runs: Runs,
    kind: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "md",
    metrics: Annotated[str, typer.Option(help="Comma-separated metrics, in the order of the columns; else all.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write it to this file, and nothing else on stdout.")] = None,
) -> None:
    """Put several runs into one table for a paper: values with intervals, floors, the best in bold beyond chance."""
    wanted, names = one_of(kind, FORMATS, "--format"), split_names(metrics)
    from leaderboard.views.document import listing
    from leaderboard.views.paper import boards_of, paper_text
    from medbench.storage.files import write_text

    boards = boards_of(runs, metrics=names)
    text = paper_text(boards, wanted, metrics=names)
    if out is not None:
        write_text(out, text)
    if ui.as_json:
        ui.print_json(listing(boards))
    elif out is not None:
        ui.say(f"{wanted}: {out}")
    else:
        ui.say(*text.splitlines())
    if len(boards) > 1:
        ui.complain(f"the runs are of {len(boards)} tracks, a table each: their numbers cannot be compared")
