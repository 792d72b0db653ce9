"""Stages evaluate and report, shared by runs and by folders that somebody already has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from medbench import gate
from medbench.budget import Meter
from medbench.errors import Unavailable
from medbench.pipeline.evaluate import Comparison, inspect, measure_all, write_table
from medbench.pipeline.evidence import Laboratory, StoredSide
from medbench.progress import Progress
from medbench.record import RunFolder, RunRecord, StageName, StageRecord
from medbench.results import Report
from medbench.spec import fingerprint

_SHOWN = 4


@dataclass(frozen=True)
class Subject:
    """Whose samples are judged, as the results name it."""

    model: str
    version: str | None
    dataset: str
    leaks: tuple[str, ...] = field(default=())


@contextmanager
def metered(folder: RunFolder, record: RunRecord, name: StageName, meter: Meter) -> Iterator[StageRecord]:
    """Run a stage with its status, time and memory kept in ``run.json``."""
    record.device = meter.device
    with folder.stage(record, name) as entry:
        with meter.measure(name) as measured:
            yield entry
        entry.memory = measured[0]


def judge(
    subject: Subject,
    comparison: Comparison,
    laboratory: Laboratory,
    metrics: Sequence[str],
    *,
    folder: RunFolder,
    record: RunRecord,
    meter: Meter,
    progress: Progress,
) -> Report:
    """Pass the volumes through the gate, compute the metrics, write ``results.json``, tables and figures.

    Raises:
        DataError: a number would be meaningless; the message names the file and the mend.
    """
    protocol = laboratory.protocol.model_dump(mode="json")
    with metered(folder, record, "evaluate", meter):
        findings = inspect(comparison, laboratory, progress)
        record.evaluation |= {"protocol": protocol, "gate": gate.rows(findings)}
        if findings:
            import pandas as pd

            write_table(folder.tables / "gate.csv", pd.DataFrame(gate.rows(findings)))
        results, skipped = measure_all(comparison, laboratory, metrics, tables=folder.tables)
        _draw(comparison, laboratory, folder)
    report = Report(
        run=record.id,
        model=subject.model,
        model_version=subject.version,
        dataset=subject.dataset,
        track=f"{subject.dataset}/{fingerprint({'reference': comparison.identity, 'protocol': protocol})}",
        budget=meter.budget({name: entry.memory for name, entry in record.stages.items() if entry.memory is not None}),
        leaks=subject.leaks,
        gate=tuple(gate.rows(findings)),
        results=tuple(results),
        skipped=tuple(skipped),
    )
    report.save(folder.path)
    return report


def _draw(comparison: Comparison, laboratory: Laboratory, folder: RunFolder) -> None:
    """Draw the figures that need volumes; those that need tables alone are drawn by the report."""
    from medbench.report import figures

    window = laboratory.protocol.window
    bounds = (window.low, window.high)
    shown = comparison.held_out or comparison.reference
    real = [laboratory.read(item) for item in shown[:_SHOWN]]
    synthetic = [laboratory.read(item) for item in comparison.synthetic[:_SHOWN]]
    figures.montage(real, synthetic, folder.figures / "montage.png", window=bounds)
    if comparison.held_out:
        try:
            pairs = list(StoredSide(comparison.held_out[:2], laboratory, name="held-out").reconstructions())
        except Unavailable:
            return
        figures.reconstruction(pairs, folder.figures / "reconstruction.png", window=bounds)


def evaluation_mark(metrics: Sequence[str], protocol: dict[str, Any]) -> str:
    """Return the fingerprint by which a finished evaluation is recognised."""
    return fingerprint({"metrics": list(metrics), "protocol": protocol})
