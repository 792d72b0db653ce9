"""Stage evaluate, shared by runs and by folders that somebody already has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medbench.budget.meter import Meter
from medbench.drawing.montage import MONTAGE
from medbench.evaluation import gate
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.figures import draw_figures
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.measure import inspect, measure_all, write_table
from medbench.records.results import Report
from medbench.records.run import RunFolder, RunRecord
from medbench.spec import fingerprint


@dataclass(frozen=True)
class Subject:
    """Whose samples are judged, as the results name it."""

    model: str
    version: str | None
    dataset: str
    leaks: tuple[str, ...] = field(default=())


class Evaluation:
    """Computes the metrics of one run or folder, and recognises results that still stand.

    Args:
        instruments: what the volumes are seen with.
        metrics: registered names.
        folder: where results, tables and figures go.
        record: the folder's record.
        meter: measures the stage.
    """

    def __init__(
        self, instruments: Instruments, metrics: Sequence[str], *, folder: RunFolder, record: RunRecord, meter: Meter
    ) -> None:
        self.instruments = instruments
        self.metrics = metrics
        self.folder = folder
        self.record = record
        self.meter = meter

    def finished(self) -> Report | None:
        """Return the folder's results if the same evaluation, with the same instruments, made them; else None."""
        done = self.record.stages.get("evaluate")
        if done is None or done.status != "done":
            return None
        if self.record.evaluation.mark != self.instruments.fingerprint(self.metrics):
            return None
        return Report.read(self.folder.results_file) if self.folder.results_file.is_file() else None

    def run(self, subject: Subject, comparison: Comparison) -> Report:
        """Pass the volumes through the gate, compute the metrics, write ``results.json``, tables and figures.

        Raises:
            DataError: a number would be meaningless; the message names the file and the mend.
        """
        protocol = self.instruments.protocol.model_dump(mode="json")
        self.record.evaluation.protocol, self.record.evaluation.mark = protocol, None
        with self.meter.stage(self.folder, self.record, "evaluate"):
            found = self._gate(comparison)
            measured, skipped = measure_all(comparison, self.instruments, self.metrics, tables=self.folder.tables)
            results = draw_figures(measured, comparison.evidence(self.instruments), self.folder.path)
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
        self.record.evaluation.mark = self.instruments.fingerprint(self.metrics)
        self.folder.write(self.record)
        return report

    def _gate(self, comparison: Comparison) -> list[dict[str, str | int]]:
        findings = inspect(comparison, self.instruments)
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
