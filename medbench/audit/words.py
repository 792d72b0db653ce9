"""An audit as a Markdown table, for a page that keeps it between two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medbench.audit.figure import seen, title
from medbench.audit.kinds import KINDS
from medbench.audit.ladder import AuditReport, AuditRow
from medbench.errors import SpecError
from medbench.storage.files import write_text

BEGIN: Final = "<!-- audit: written by 'medbench audit-metrics --page' -->"
END: Final = "<!-- end of audit -->"


def markdown(report: AuditReport) -> str:
    """Return the report as Markdown: one line a kind of damage, one column a metric, and what was left out."""
    metrics = list(dict.fromkeys(row.metric for row in report.rows))
    cells = {(row.metric, row.damage): row for row in report.rows}
    lines = [
        f"{report.about[0].upper()}{report.about[1:]}.",
        "",
        f"| damage | strengths | {' | '.join(metrics)} |",
        f"| --- | --- |{' --- |' * len(metrics)}",
    ]
    for kind in KINDS:
        rows = [cells[metric, kind.name] for metric in metrics if (metric, kind.name) in cells]
        if rows:
            strengths = ", ".join(f"{strength:g}" for strength in kind.strengths)
            said = " | ".join(_cell(row) for row in rows)
            lines.append(f"| {title(kind.name)} ({kind.summary}) | {strengths} {kind.unit} | {said} |")
    lines += ["", *(f"- {metric} {_blind(metric, report)}." for metric in metrics)]
    lines += ["", *(f"- {what} left out: {reason}" for what, reason in report.left_out.items())]
    return "\n".join(lines).rstrip() + "\n"


def require_page(path: Path) -> None:
    """Check that a page has a place for an audit.

    Raises:
        SpecError: no such file, or it lacks the marks.
    """
    _split(path)


def write_page(path: Path, report: AuditReport) -> None:
    """Put the Markdown between the marks of a page; all else on it stays.

    Args:
        path: a Markdown file that holds both marks.
        report: the audit.

    Raises:
        SpecError: no such file, or it lacks the marks.
    """
    before, after = _split(path)
    write_text(path, f"{before}{BEGIN}\n\n{markdown(report)}\n{END}{after}")


def _split(path: Path) -> tuple[str, str]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SpecError(f"{path} is no page for an audit: it needs the lines {BEGIN} and {END}")
    return before, after


def _blind(metric: str, report: AuditReport) -> str:
    rows = [row for row in report.rows if row.metric == metric]
    missed = [title(row.damage) for row in rows if row.detected_from is None and row.reversed_from is None]
    preferred = [title(row.damage) for row in rows if row.detected_from is None and row.reversed_from is not None]
    said = f"does not see: {', '.join(missed)}" if missed else "is blind to none of these"
    return said + (f"; prefers to real volumes: {', '.join(preferred)}" if preferred else "")


def _cell(row: AuditRow) -> str:
    correlation = "" if row.rank_correlation is None else f" ({row.rank_correlation:+.1f})"
    return f"{seen(row)}{correlation}"
