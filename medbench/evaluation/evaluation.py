"""Stage evaluate, shared by runs and by folders that somebody already has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medbench import registry
from medbench.budget.meter import Meter
from medbench.drawing.montage import MONTAGE, MOST_VOLUMES, montage
from medbench.engines.engine import Engine
from medbench.errors import StorageError, Unavailable
from medbench.evaluation.comparison import Comparison, StoredEvidence, track_of
from medbench.evaluation.gallery import keep_gallery
from medbench.evaluation.gate import findings as gate
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.measure import crash, inspect, measure_all, write_table
from medbench.evaluation.one_pass import OnePass, look_at, look_through, waiting
from medbench.evaluation.prospects import nothing_of
from medbench.evaluation.standing import Standing, mark_of, standing
from medbench.metrics.base import Measured, MetricInfo
from medbench.records.results import Report, Result, Skipped, StoredFigure
from medbench.records.run import RunFolder, RunRecord
from medbench.storage import uses
from medbench.storage.files import atomic_path, sha256_of


@dataclass(frozen=True)
class Evaluation:
    """Computes the metrics of one run or folder, and recognises results that still stand.

    Args:
        instruments: what the volumes are seen with.
        metrics: registered names.
        folder: where results, tables and figures go.
        record: the folder's record.
        meter: measures the stage.
        samples: a fingerprint of the synthetic side.
        engine: where volumes are looked at.
    """

    instruments: Instruments
    metrics: Sequence[str]
    folder: RunFolder
    record: RunRecord
    meter: Meter
    samples: str
    engine: Engine

    @cached_property
    def earlier(self) -> Standing:
        """What stands of an earlier evaluation in the folder."""
        return standing(self.folder, self.record, self.instruments, self.samples)

    def finished(self) -> Report | None:
        """Return the folder's results if they stand and hold all that was asked for; else None."""
        return self.earlier.report if self.earlier.marks.keys() >= set(self.metrics) else None

    def run(
        self, comparison: Comparison, *, model: str, version: str | None, dataset: str, leaks: tuple[str, ...] = ()
    ) -> Report:
        """Pass the volumes through the gate, compute what does not stand, write ``results.json``, tables and figures.

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
        earlier, evaluation = self.earlier, self.record.evaluation
        left = [metric for metric in self.metrics if metric not in earlier.marks]
        evaluation.protocol, evaluation.marks = protocol, dict(earlier.marks)
        self._tell_lost(left)
        volumes = [path for item in comparison.items for path in item.files]
        uses.begin(self.folder.path, volumes)
        with self.meter.stage(self.folder, self.record, "evaluate"):
            comparison.require()
            steps = self._steps(comparison, left)
            measured, skipped = measure_all(comparison, self.instruments, steps, tables=self.folder.tables)
            results = list(earlier.results)
            for drawn, undrawn in self._with_figures(measured, comparison.evidence(self.instruments), results):
                results.append(drawn)
                skipped += undrawn
            infos = [registry.load("metrics", metric).info for metric in self.metrics]
            keep_gallery(self.folder.path, comparison.evidence(self.instruments, intervals=False), results, infos)
        assert self.record.budget is not None  # set by the stage
        report = Report(
            run=self.record.id,
            model=model,
            model_version=version,
            dataset=dataset,
            track=self._track(dataset, comparison.identity),
            budget=self.record.budget,
            leaks=leaks,
            gate=tuple(evaluation.gate or ()),
            results=tuple(results),
            skipped=(*earlier.skipped, *skipped),
        )
        report.save(self.folder.path)
        self._keep_only(report)
        # The marks come last: a run that is killed before this line computes what is new again.
        failed = {one.metric for one in skipped if one.exit_code}
        sound = [metric for metric in left if registry.load("metrics", metric).info.name not in failed]
        evaluation.files = self._written()
        evaluation.marks |= {metric: mark_of(metric, self.instruments, self.samples) for metric in sound}
        self.folder.write(self.record)
        uses.finish(self.folder.path, [*volumes, *self.instruments.cache.used])
        return report

    def look(self, comparison: Comparison) -> None:
        """Look at volumes, and measure nothing: who evaluates them with others finds in the cache what metrics ask for.

        Args:
            comparison: the volumes.
        """
        look_through(comparison, OnePass(self.instruments, tuple(self.metrics)), self.engine)

    def require_number(self, report: Report) -> None:
        """Refuse results that hold no number of what was asked for.

        Raises:
            NoNumberError: they do not; the message has each cause once.
        """
        asked = {registry.load("metrics", metric).info.name for metric in self.metrics}
        if not any(result.metric in asked for result in report.results):
            raise nothing_of(one for one in report.skipped if one.metric in asked)

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
        self.record.evaluation.marks = {}
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
        return track_of(dataset, identity, self.instruments.protocol)

    def _tell_lost(self, left: Sequence[str]) -> None:
        if self.earlier.altered:
            self.instruments.progress.note(f"{self.folder.results_file} is not what was written here: made again")
        made_again = {registry.load("metrics", metric).info.name for metric in left}
        if lost := [name for name in self.earlier.lost if name not in made_again]:
            self.instruments.progress.note(
                f"{', '.join(lost)} of an earlier evaluation no longer stand (other volumes, protocol, weights or "
                "versions) and leave the results: name them with --metrics to compute them again"
            )

    def _steps(self, comparison: Comparison, metrics: Sequence[str]) -> Iterator[str]:
        """Look at the volumes, pass them through the gate, then yield the metrics: all under one progress bar."""
        progress = self.instruments.progress
        one_pass = OnePass(self.instruments, tuple(metrics))
        looks = waiting(comparison, one_pass)

        def steps() -> Iterator[str | None]:
            yield from look_at(looks, one_pass.for_workers(self.engine), self.engine)
            self._gate(comparison)
            yield from metrics

        yield from filter(None, progress.track(steps(), task="evaluate", total=len(looks) + len(metrics)))

    def _gate(self, comparison: Comparison) -> None:
        findings = inspect(comparison, self.instruments)
        rows = gate.rows(findings)
        self.record.evaluation.gate = rows
        if rows:
            import pandas as pd

            write_table(self.folder.tables / "gate.csv", pd.DataFrame(rows))
        gate.raise_on_errors(findings)

    def _with_figures(
        self, measured: Iterable[tuple[MetricInfo, Measured]], evidence: StoredEvidence, earlier: Sequence[Result]
    ) -> Iterator[tuple[Result, list[Skipped]]]:
        """Draw the montage and what each metric shows of itself; yield the results, each with its figures."""
        sides = (evidence.held_out or evidence.real, evidence.synthetic)
        real, synthetic = (list(side.only(side.ids[:MOST_VOLUMES]).centre_slices()) for side in sides)
        montage(real, synthetic, self.folder.path / MONTAGE.file, window=evidence.protocol.window)
        taken = {MONTAGE.file, *(figure.file for result in earlier for figure in result.figures)}
        for info, one in measured:
            drawn, undrawn = [], []
            for figure in info.figures:
                file = f"figures/{figure.name}.png"
                if file in taken:
                    file = f"figures/{info.name}_{figure.name}.png"
                try:
                    with atomic_path(self.folder.path / file) as temporary:
                        figure.draw(one, temporary)
                except Unavailable:
                    continue
                except StorageError:
                    raise
                except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything: its number stays
                    undrawn.append(crash(f"{info.name}.{figure.name}", error, figure.draw, self.instruments))
                    continue
                taken.add(file)
                drawn.append(StoredFigure(file=file, caption=figure.caption, alt=figure.alt, dark=figure.dark))
            yield one.result.model_copy(update={"figures": tuple(drawn)}), undrawn

    def _written(self) -> dict[str, str]:
        """Return the SHA-256 of the results and of all tables and figures, by their paths in the folder."""
        tables, figures = self.folder.tables.glob("[!.]*.csv"), self.folder.figures.glob("[!.]*.png")
        files = (self.folder.results_file, *sorted(tables), *sorted(figures))
        return {file.relative_to(self.folder.path).as_posix(): sha256_of(file) for file in files}

    def _keep_only(self, report: Report) -> None:
        """Remove tables and figures of numbers that have gone."""
        tables = {Path(result.table).name for result in report.results if result.table}
        _removed(self.folder.tables, tables | ({"gate.csv"} if report.gate else set()))
        drawn = (MONTAGE, *(figure for result in report.results for figure in result.figures))
        _removed(self.folder.figures, {Path(figure.file).name for figure in drawn})


def _removed(folder: Path, kept: set[str]) -> None:
    for suffix in ("csv", "png"):
        for path in folder.glob(f"[!.]*.{suffix}"):
            if path.name not in kept:
                path.unlink()
