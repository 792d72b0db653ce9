"""Results as a table for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from medbench.drawing.text import ARROWS
from medbench.records.results import Report, Result

_WIDEST = 1000


def print_report(console: Console, report: Report) -> None:
    """Print every number with its interval, floor, counts (real/synthetic) and fingerprint, then what was skipped."""
    console.print(f"{report.model} on {report.track}", style="bold")
    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "value", "95 % interval", "floor", "n", "fingerprint"):
        table.add_column(heading, no_wrap=True)
    for result in report.results:
        table.add_row(
            f"{result.metric} {ARROWS[result.better]}",
            f"{result.value:.4g}{f' {result.unit}' if result.unit else ''}",
            _interval(result),
            "-" if result.floor is None else f"{result.floor:.3g}",
            f"{result.n_real}/{result.n_synthetic}",
            result.fingerprint,
        )
    if report.results:
        # As wide as it needs to be: a number that is cut off says less than a line that wraps.
        needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
        console.width = max(console.width, needed)
        console.print(table)
    else:
        console.print("no number could be computed")
    _print_gate(console, report)
    for result in report.results:
        if result.stand_ins:
            console.print(f"{result.metric}: made with the stand-in {' and '.join(result.stand_ins)}", markup=False)
        if result.ceiling is not None:
            ceiling = f"{result.ceiling:.3g} ({result.ceiling_note}), floor: {result.floor_note}"
            console.print(f"{result.metric}: ceiling {ceiling}", markup=False, soft_wrap=True)
        for note in result.notes:
            console.print(f"{result.metric}: {note}", markup=False, soft_wrap=True)
    for skipped in report.skipped:
        console.print(f"skipped {skipped.metric}: {skipped.reason}", markup=False, soft_wrap=True)
    for leak in report.leaks:
        console.print(f"leak: {leak}", markup=False, soft_wrap=True)


def _print_gate(console: Console, report: Report) -> None:
    if not report.gate:
        return
    console.print("\nThe gate found:")
    table = Table(box=None, pad_edge=False)
    for heading in report.gate[0]:
        table.add_column(heading, overflow="fold")
    for row in report.gate:
        table.add_row(*map(str, row.values()))
    console.print(table)


def _interval(result: Result) -> str:
    return "-" if result.ci95 is None else f"{result.ci95[0]:.3g} .. {result.ci95[1]:.3g}"
