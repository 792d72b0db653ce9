"""Results as a table for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from medbench.results import Report, Result

_BETTER = {"lower": "lower is better", "higher": "higher is better"}


def print_report(console: Console, report: Report) -> None:
    """Print every number with its interval, floor, counts and fingerprint, then what was skipped."""
    table = Table(title=f"{report.model} on {report.track}", title_justify="left")
    for heading in ("metric", "value", "95 % interval", "floor", "n real / synthetic", "fingerprint", "stand-ins"):
        table.add_column(heading)
    for result in report.results:
        table.add_row(
            f"{result.metric}\n[dim]{_BETTER[result.better]}[/dim]",
            f"{result.value:.4g}{f' {result.unit}' if result.unit else ''}",
            _interval(result),
            "-" if result.floor is None else f"{result.floor:.4g}",
            f"{result.n_real} / {result.n_synthetic}",
            result.fingerprint,
            ", ".join(result.stand_ins) or "-",
        )
    console.print(table)
    for skipped in report.skipped:
        console.print(f"skipped {skipped.metric}: {skipped.reason}", markup=False, soft_wrap=True)
    for leak in report.leaks:
        console.print(f"leak: {leak}", markup=False, soft_wrap=True)


def _interval(result: Result) -> str:
    return "-" if result.ci95 is None else f"{result.ci95[0]:.4g} .. {result.ci95[1]:.4g}"
