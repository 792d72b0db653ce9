"""Stage evaluate, shared by runs and by folders that somebody already has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medbench import protocols, registry
from medbench.budget.meter import Meter
from medbench.drawing.montage import MONTAGE, MOST_VOLUMES, montage
from medbench.errors import Unavailable
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.gate import findings as gate
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.measure import inspect, measure_all, write_table
from medbench.metrics.base import Measured, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.records.results import Report, Result, Skipped, StoredFigure
from medbench.records.run import RunFolder, RunRecord
from medbench.spec import fingerprint
from medbench.storage.files import atomic_path


@dataclass(frozen=True)
class Evaluation:
    """Computes the metrics of one run or folder, and recognises results that still stand.

    Args:
        instruments: what the volumes are seen with.
        metrics: registered names.
        folder: where results, tables and figures go.
        record: the folder's record.
        meter: measures the stage.
    """

    instruments: Instruments
    metrics: Sequence[str]
    folder: RunFolder
    record: RunRecord
    meter: Meter

    def finished(self) -> Report | None:
        """Return the folder's results if the same evaluation, with the same instruments, made them; else None."""
        stand = self.record.evaluation.mark == self._mark() and self.folder.results_file.is_file()
        return Report.read(self.folder.results_file) if stand else None

    def run(
        self, comparison: Comparison, *, model: str, version: str | None, dataset: str, leaks: tuple[str, ...] = ()
    ) -> Report:
        """Pass the volumes through the gate, compute the metrics, write ``results.json``, tables and figures.

        Args:
            comparison: the volumes.
            model: whose samples are judged, as the results name it.
            version: the model's, where it is known.
            dataset: as the results name it.
            leaks: what of the data the model is known to have seen.

        Raises:
            DataError: a number would be meaningless; the message names the file and the mend.
        """
        protocol = self.instruments.protocol.model_dump(mode="json")
        self.record.evaluation.protocol, self.record.evaluation.mark = protocol, None
        with self.meter.stage(self.folder, self.record, "evaluate"):
            found = self._gate(comparison)
            measured, skipped = measure_all(comparison, self.instruments, self.metrics, tables=self.folder.tables)
            results = _draw_figures(measured, comparison.evidence(self.instruments), self.folder.path)
        assert self.record.budget is not None  # set by the stage
        report = Report(
            run=self.record.id,
            model=model,
            model_version=version,
            dataset=dataset,
            track=self._track(dataset, comparison.identity),
            budget=self.record.budget,
            leaks=leaks,
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

    def give_up(
        self,
        reason: str,
        *,
        model: str,
        version: str | None,
        dataset: str,
        identity: dict[str, Any],
        leaks: tuple[str, ...] = (),
    ) -> Report:
        """Write ``results.json`` of a run that made no samples: every metric is skipped for one reason.

        Args:
            reason: why there are no samples.
            model: as in ``run``, like ``version``, ``dataset`` and ``leaks``.
            identity: what makes the data set this one.
        """
        self.record.evaluation.protocol = self.instruments.protocol.model_dump(mode="json")
        self.record.evaluation.mark = None
        assert self.record.budget is not None  # set by the stage that failed
        names = [registry.load("metrics", metric).info.name for metric in self.metrics]
        report = Report(
            run=self.record.id,
            model=model,
            model_version=version,
            dataset=dataset,
            track=self._track(dataset, identity),
            budget=self.record.budget,
            leaks=leaks,
            results=(),
            skipped=tuple(Skipped(metric=name, reason=reason) for name in names),
        )
        report.save(self.folder.path)
        self.folder.write(self.record)
        return report

    def _track(self, dataset: str, identity: dict[str, Any]) -> str:
        protocol = protocols.identity(self.instruments.protocol)
        return f"{dataset}/{fingerprint({'reference': identity, 'protocol': protocol})}"

    def _mark(self) -> str:
        return self.instruments.fingerprint(self.metrics)

    def _gate(self, comparison: Comparison) -> list[dict[str, str | int]]:
        findings = inspect(comparison, self.instruments)
        rows = gate.rows(findings)
        self.record.evaluation.gate = rows
        if rows:
            import pandas as pd

            write_table(self.folder.tables / "gate.csv", pd.DataFrame(rows))
        gate.raise_on_errors(findings)
        return rows


def _draw_figures(measured: Iterable[tuple[MetricInfo, Measured]], evidence: Evidence, run: Path) -> list[Result]:
    """Draw the montage and what each metric shows of itself; return the results, each with its figures."""
    sides = (evidence.held_out or evidence.real, evidence.synthetic)
    real, synthetic = (list(islice(side.volumes(), MOST_VOLUMES)) for side in sides)
    montage(real, synthetic, run / MONTAGE.file, window=evidence.protocol.window)
    taken = {MONTAGE.file}
    results = []
    for info, one in measured:
        drawn = []
        for figure in info.figures:
            file = f"figures/{figure.name}.png"
            if file in taken:
                file = f"figures/{info.name}_{figure.name}.png"
            try:
                with atomic_path(run / file) as temporary:
                    figure.draw(one, temporary)
            except Unavailable:
                continue
            taken.add(file)
            drawn.append(StoredFigure(file=file, caption=figure.caption, alt=figure.alt, dark=figure.dark))
        results.append(one.result.model_copy(update={"figures": tuple(drawn)}))
    return results


def _keep_only(folder: Path, names: set[str]) -> None:
    """Remove the tables or figures that an earlier evaluation, with other metrics or findings, left behind."""
    for suffix in ("csv", "png"):
        for path in folder.glob(f"*.{suffix}"):
            if path.name not in names:
                path.unlink()
