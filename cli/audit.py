"""``medbench audit-metrics``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DataRoot, DatasetName, Device, Metrics, ProtocolName, SegmenterName, Weights, Workers
from cli.session import Session, in_session
from medbench.pipeline.options import split_names, use_weight_files

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
    use_weight_files(weights or [])
    from medbench.audit.audit import AuditOptions
    from medbench.audit.audit import audit_metrics as audit

    options = AuditOptions(
        dataset=dataset,
        metrics=split_names(metrics),
        protocol=protocol,
        segmenter=segmenter,
        samples=samples,
        region=region,
        data_root=data_root,
        device=device,
        workers=workers,
    )
    folder = out or Path("audits") / Path(dataset.rpartition(":")[2]).name
    ui.log = folder / "log.txt"
    report = audit(options, folder, ui.progress)
    if ui.as_json:
        ui.print_json([asdict(row) for row in report.rows])
        _print_left_out(ui, report, stderr=True)
        return
    _print_report(ui, report, folder)


def _print_report(ui: Session, report: AuditReport, folder: Path) -> None:
    from medbench.audit.figure import seen, title
    from medbench.drawing.text import number

    ui.out.print(report.about, markup=False, soft_wrap=True)
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
    _print_left_out(ui, report, stderr=False)
    ui.out.print(f"audit: {folder}", soft_wrap=True, markup=False)


def _print_left_out(ui: Session, report: AuditReport, *, stderr: bool) -> None:
    for what, reason in report.left_out.items():
        (ui.errors if stderr else ui.out).print(f"left out: {what}: {reason}", markup=False, soft_wrap=True)
