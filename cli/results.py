"""Results as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from cli.destinations import Destinations
from cli.session import Session
from medbench.drawing.text import ABSENT, ARROWS
from medbench.errors import BudgetExceededError
from medbench.records.results import Report, Skipped, by_cause
from medbench.storage.names import shown

if TYPE_CHECKING:
    from medbench.pipeline.folder import FolderEvaluation
    from medbench.pipeline.part import Left
    from medbench.pipeline.run import Run


def finish(ui: Session, work: Run | FolderEvaluation, destinations: Destinations) -> None:
    """Do all that a run or a folder's evaluation still lacks, print its results, and take them where they go.

    Args:
        ui: the command's session.
        work: what is to be done.
        destinations: where results go.
    """
    ui.log = work.folder.log_file
    opened = destinations.open()
    try:
        report = work.report()
    except BudgetExceededError:
        opened.rank(work.folder)
        raise
    if ui.as_json:
        ui.print_json(report.model_dump(mode="json", by_alias=True))
    else:
        print_report(ui, report)
        ui.say(f"report: {work.folder.report_file}")
    opened.rank(work.folder)
    if opened.store is not None and not ui.as_json:
        ui.say(f"leaderboard: {opened.store.name}")
    tell_logged(ui, opened.log(report, work.folder))
    end_with(ui, [one for one in report.skipped if one.exit_code])


def tell_left(ui: Session, left: Left) -> None:
    """Say that a shard has done its part, and what the whole still lacks."""
    missing = ", ".join(f"{count} {what}" for what, count in left.missing.items() if count) or "to collect"
    ui.tell(
        {"run": str(left.folder), "shard": str(left.shard), "left": left.missing},
        f"shard {left.shard} is done; left: {missing}: once all shards have ended, the same command "
        "without --shard finishes and reports",
    )


def tell_logged(ui: Session, lines: Iterable[str]) -> None:
    """Say where trackers keep a run; with --json on stderr, where it is in nobody's way."""
    for line in lines:
        if ui.as_json:
            ui.complain(line)
        else:
            ui.say(line)


def end_with(ui: Session, failed: Sequence[Skipped]) -> None:
    """Say in one line on stderr what failed though the rest was computed, and end with its exit code."""
    if failed:
        told = "; ".join(f"{names}: {reason}" for reason, names in by_cause(failed).items())
        ui.complain(f"medbench: all else was computed, but not {told}", style="bold red")
        raise typer.Exit(min(one.exit_code for one in failed))


def print_report(ui: Session, report: Report) -> None:
    """Print every number with its interval, floor, counts (real/synthetic) and fingerprint, then what was skipped."""
    ui.out.print(shown(f"{report.model} on {report.track}"), style="bold")
    rows = [
        (
            f"{result.metric} {ARROWS[result.better]}",
            f"{result.value:.4g}{f' {result.unit}' if result.unit else ''}",
            " .. ".join(f"{end:.3g}" for end in result.ci95 or ()) or ABSENT,
            ABSENT if result.floor is None else f"{result.floor:.3g}",
            f"{result.n_real}/{result.n_synthetic}",
            result.fingerprint,
        )
        for result in report.results
    ]
    if rows:
        ui.table(("metric", "value", "95 % interval", "floor", "n", "fingerprint"), rows, fold=False)
    else:
        ui.say("no number could be computed")
    if report.gate:
        ui.say("", "The gate found:")
        ui.table(report.gate[0], [[str(cell) for cell in row.values()] for row in report.gate])
    for result in report.results:
        if result.stand_ins:
            ui.say(f"{result.metric}: made with the stand-in {' and '.join(result.stand_ins)}")
        if result.ceiling is not None:
            ceiling = f"{result.ceiling:.3g} ({result.ceiling_note}), floor: {result.floor_note}"
            ui.say(f"{result.metric}: ceiling {ceiling}")
        ui.say(*(f"{result.metric}: {note}" for note in result.notes))
    ui.say(*(f"skipped {names}: {reason}" for reason, names in by_cause(report.skipped).items()))
    ui.say(*(f"leak: {leak}" for leak in report.leaks))
