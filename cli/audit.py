"""``medbench audit-metrics``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DataRoot, DatasetName, Device, Metrics, ProtocolName, SegmenterName, Weights, Workers, asked
from cli.session import Session, in_session

if TYPE_CHECKING:
    from medbench.audit.ladder import AuditReport


@in_session
def audit_metrics(
    ui: Session,
    dataset: DatasetName,
    metrics: Metrics = "",
    protocol: ProtocolName = None,
    segmenter: SegmenterName = None,
    samples: Annotated[
        int | None, typer.Option(min=4, help="How many held-out volumes are damaged; all by default.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="The structure that goes missing; else that of median size.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; audits/DATASET where not given.")] = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    workers: Workers = None,
    weights: Weights = None,
) -> None:
    """Try each metric on graded, known damage of held-out real volumes: what does it see, and from when on?"""
    given = locals()
    from medbench.audit.audit import AuditOptions
    from medbench.audit.audit import audit_metrics as audit

    folder = out or Path("audits") / Path(dataset.rpartition(":")[2]).name
    ui.log = folder / "log.txt"
    report = audit(asked(AuditOptions, given), folder, ui.progress)
    left_out = [f"left out: {what}: {reason}" for what, reason in report.left_out.items()]
    if ui.as_json:
        ui.print_json([asdict(row) for row in report.rows])
        for line in left_out:
            ui.complain(line)
        return
    _print_rows(ui, report)
    ui.say(*left_out, f"audit: {folder}")


def _print_rows(ui: Session, report: AuditReport) -> None:
    from medbench.audit.figure import seen, title
    from medbench.drawing.text import number

    ui.say(report.about)
    rows = [
        (
            row.metric,
            title(row.damage),
            "  ".join(number(value) for value in row.values),
            number(row.limit),
            "-" if row.rank_correlation is None else f"{row.rank_correlation:+.2f}",
            f"{seen(row)} [{row.unit}]",
        )
        for row in report.rows
    ]
    ui.table(("metric", "damage", "values, undamaged first", "limit", "rank corr.", "seen"), rows)
