"""``medbench replicate``: a paper's tables and figures, each beside what the paper reports."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DataRoot, Device, Weights, Workers
from cli.session import Session, in_session
from medbench.budget.meter import parse_bytes
from medbench.errors import SpecError
from medbench.pipeline.options import split_names, use_weight_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaderboard.replicate.replicate import Replication
    from medbench.datasets.base import Check

PaperName = Annotated[str | None, typer.Argument(metavar="PAPER", help="A name of --list, or a TOML file of your own.")]


@in_session
def replicate(
    ui: Session,
    paper: PaperName = None,
    listing: Annotated[bool, typer.Option("--list", help="Show what can be replicated.")] = False,
    track: Annotated[str | None, typer.Option(help="One of the paper's tracks; its first where not given.")] = None,
    models: Annotated[
        str, typer.Option(help="Comma-separated models; the paper's and all others installed where not given.")
    ] = "",
    samples: Annotated[int | None, typer.Option(min=1, help="Samples a run.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of every run.")] = 0,
    downstream: Annotated[bool, typer.Option("--downstream", help="Also train segmenters on the samples.")] = False,
    budget: Annotated[str, typer.Option("--budget", help="GPU memory that sampling may use, like 24GB.")] = "24GB",
    out: Annotated[Path | None, typer.Option(help="The folder; replications/PAPER-TRACK where not given.")] = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    workers: Workers = None,
    weights: Weights = None,
) -> None:
    """Run, or resume, what a paper shows, and lay it beside what the paper reports: one page, CSV and LaTeX."""
    if listing:
        _list(ui)
        return
    from leaderboard.replicate.paper import load_paper
    from leaderboard.replicate.replicate import Replication
    from leaderboard.replicate.runs import ReplicateOptions

    if paper is None:
        raise SpecError("say what to replicate: 'medbench replicate --list' shows all")
    use_weight_files(weights or [])
    described = load_paper(paper)
    name, _ = described.track(track)
    options = ReplicateOptions(
        paper=described,
        track=name,
        models=split_names(models),
        out=out or Path("replications") / f"{described.name}-{name}",
        samples=samples,
        seed=seed,
        downstream=downstream,
        budget_bytes=parse_bytes(budget),
        data_root=data_root,
        device=device,
        workers=workers,
        command=shlex.join(["medbench", *sys.argv[1:]]),
    )
    _make(ui, Replication(options, ui.progress))


def _make(ui: Session, replication: Replication) -> None:
    """Say what is absent, make everything, and say where the page lies."""
    if not ui.as_json:
        _say_absent(ui, replication.absent)
    made = replication.make()
    if ui.as_json:
        runs = [
            {"run": kind, "model": model, "folder": str(finished.folder)}
            for kind, of_kind in made.runs.items()
            for model, finished in of_kind.items()
        ]
        named = {"paper": replication.options.paper.name, "track": replication.track}
        ui.print_json({**named, "page": str(made.page), "runs": runs, "absent": made.absent})
        return
    _say_absent(ui, made.absent[len(replication.absent) :])
    ui.say(f"page: {made.page}")


def _list(ui: Session) -> None:
    from leaderboard.replicate.paper import papers

    found = papers()
    if ui.as_json:
        keys = ("name", "title", "cite", "data")
        ui.print_json([{**{key: getattr(one, key) for key in keys}, "tracks": list(one.tracks)} for one in found])
        return
    rows = [(one.name, one.cite, ", ".join(one.tracks), one.data) for one in found]
    ui.table(("name", "paper", "tracks", "data"), rows)


def _say_absent(ui: Session, rows: Sequence[Check]) -> None:
    if rows:
        ui.table(("absent", "why", "mend"), [(row["check"], row["detail"], row["mend"]) for row in rows])
