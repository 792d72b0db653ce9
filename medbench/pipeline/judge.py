"""Stages evaluate and report, shared by runs and by folders that somebody already has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medbench import gate
from medbench.budget import Meter
from medbench.pipeline.evaluate import Comparison, inspect, measure_all, write_table
from medbench.pipeline.evidence import Laboratory
from medbench.pipeline.figures import draw_figures
from medbench.record import RunFolder, RunRecord, StageName, StageRecord, library_versions
from medbench.report.figures import MONTAGE
from medbench.results import Report
from medbench.spec import fingerprint


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
    record.device, record.versions = meter.device, library_versions()
    with folder.stage(record, name) as entry:
        with meter.measure(name) as measured:
            yield entry
        entry.memory = measured[0]
        record.budget = meter.budget({n: e.memory for n, e in record.stages.items() if e.memory is not None})


class Judge:
    """Computes the metrics of one run or folder, and recognises results that still stand.

    Args:
        laboratory: the instruments.
        metrics: registered names.
        folder: where results, tables and figures go.
        record: the folder's record.
        meter: measures the stage.
    """

    def __init__(
        self, laboratory: Laboratory, metrics: Sequence[str], *, folder: RunFolder, record: RunRecord, meter: Meter
    ) -> None:
        self.laboratory = laboratory
        self.metrics = metrics
        self.folder = folder
        self.record = record
        self.meter = meter

    def finished(self) -> Report | None:
        """Return the folder's results if the same evaluation, with the same instruments, made them; else None."""
        done = self.record.stages.get("evaluate")
        if done is None or done.status != "done" or self.record.evaluation.mark != self._mark():
            return None
        return Report.read(self.folder.results_file) if self.folder.results_file.is_file() else None

    def judge(self, subject: Subject, comparison: Comparison) -> Report:
        """Pass the volumes through the gate, compute the metrics, write ``results.json``, tables and figures.

        Raises:
            DataError: a number would be meaningless; the message names the file and the mend.
        """
        protocol = self.laboratory.protocol.model_dump(mode="json")
        self.record.evaluation.protocol, self.record.evaluation.mark = protocol, None
        with metered(self.folder, self.record, "evaluate", self.meter):
            found = self._gate(comparison)
            measured, skipped = measure_all(comparison, self.laboratory, self.metrics, tables=self.folder.tables)
            results = draw_figures(measured, comparison.evidence(self.laboratory), self.folder.path)
        assert self.record.budget is not None  # set by the stage
        report = Report(
            run=self.record.id,
            model=subject.model,
            model_version=subject.version,
            dataset=subject.dataset,
            track=f"{subject.dataset}/{fingerprint({'reference': comparison.identity, 'protocol': protocol})}",
            budget=self.record.budget,
            leaks=subject.leaks,
            gate=tuple(found),
            results=tuple(results),
            skipped=tuple(skipped),
        )
        report.save(self.folder.path)
        written = {Path(result.table).name for result in results if result.table}
        _keep_only(self.folder.tables, written | ({"gate.csv"} if found else set()))
        drawn = (MONTAGE, *(figure for result in results for figure in result.figures))
        _keep_only(self.folder.figures, {Path(figure.file).name for figure in drawn})
        # The mark comes last: a run that is killed before this line computes its results again.
        self.record.evaluation.mark = self._mark()
        self.folder.write(self.record)
        return report

    def _mark(self) -> str:
        """Return a fingerprint of all that decides the results besides the volumes."""
        return fingerprint(
            {
                "medbench": library_versions().get("medbench"),
                "protocol": self.laboratory.protocol.model_dump(mode="json"),
                "metrics": [self.laboratory.mark(name) for name in self.metrics],
            }
        )

    def _gate(self, comparison: Comparison) -> list[dict[str, str | int]]:
        findings = inspect(comparison, self.laboratory)
        rows = gate.rows(findings)
        self.record.evaluation.gate = rows
        if rows:
            import pandas as pd

            write_table(self.folder.tables / "gate.csv", pd.DataFrame(rows))
        gate.raise_on_errors(findings)
        return rows


def _keep_only(folder: Path, names: set[str]) -> None:
    """Remove the tables or figures that an earlier evaluation, with other metrics or findings, left behind."""
    for suffix in ("csv", "png"):
        for path in folder.glob(f"*.{suffix}"):
            if path.name not in names:
                path.unlink()
