"""Overlaps by anatomical structure: how label maps were followed, and what segmenters learn from samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from leaderboard.comparison.cases import read_cases
from leaderboard.replicate.base import Findings, Finished, Part, Row, Shown, Table
from medbench.drawing.text import ABSENT, number
from medbench.progress import Progress
from medbench.spec import Spec

if TYPE_CHECKING:
    import pandas as pd


class Overlap(Spec):
    """A row of the table.

    Args:
        title: its name.
        run: the kind of run that holds the metric.
        metric: registered name of a metric that judges case by case.
        rows: column and content of the rows of the metric's table that count; None: those that it declares itself.
        reported: the paper's name of it.
    """

    title: str
    run: str
    metric: str
    rows: tuple[str, str] | None = None
    reported: str


class Overlaps(Part):
    """Median and interquartile range over subjects, by structure.

    A structure that is several regions here counts with the mean over those of its regions that a case has.

    Args:
        structures: the paper's name of each -> the names of its regions in medbench's protocols.
        overlaps: the rows.
    """

    kind: Literal["overlaps"]
    structures: Mapping[str, tuple[str, ...]]
    overlaps: tuple[Overlap, ...]

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Return the table: for each row what was measured of every model, then what the paper reports.

        Raises:
            DataError: a table behind a number is absent or damaged.
        """
        del progress
        rows: list[Row] = []
        records: list[Mapping[str, object]] = []
        notes: list[str] = []
        for overlap in self.overlaps:
            for model, finished in findings.of(overlap.run).items():
                if finished.result(overlap.metric) is None:
                    notes.append(f"{overlap.title}, {model}: {finished.why_not(overlap.metric)}")
                    continue
                found = self._measured(overlap, finished)
                records += found.values()
                cells = (_cell(found[name]) if name in found else ABSENT for name in self.structures)
                rows.append(Row(f"{overlap.title}, {model}", tuple(cells)))
            if not findings.of(overlap.run):
                notes.append(f"{overlap.title}: nothing was measured here")
            for dataset in findings.reported_sets(overlap.reported):
                row, told = self._reported(overlap, dataset, findings)
                rows.append(row)
                records += told
        table = Table(
            name=self.id, columns=("DSC, median (IQR)", *self.structures), rows=tuple(rows), records=tuple(records)
        )
        return Shown(tables=(table,) if rows else (), notes=tuple(notes))

    def _measured(self, overlap: Overlap, finished: Finished) -> dict[str, dict[str, object]]:
        """Return a record a structure that any case has."""
        result = finished.result(overlap.metric)
        assert result is not None and result.cases is not None and result.table is not None  # metrics of cases have all
        columns = result.cases if overlap.rows is None else result.cases.model_copy(update={"rows": overlap.rows})
        cases = read_cases(finished.folder / result.table, columns)
        found = {}
        for structure, regions in self.structures.items():
            values = _by_subject(cases[cases["region"].isin(regions)])
            if len(values):
                low, middle, high = values.quantile([0.25, 0.5, 0.75])
                found[structure] = _record(
                    overlap, structure, finished.report.dataset, "measured", float(middle), float(high - low),
                    len(values), f"{finished.model}, {finished.report.run}",
                )  # fmt: skip
        return found

    def _reported(self, overlap: Overlap, dataset: str, findings: Findings) -> tuple[Row, list[dict[str, object]]]:
        cells, records = [], []
        for structure in self.structures:
            row = findings.reported_row(overlap.reported, dataset, None, structure)
            cells.append(ABSENT if row is None else f"{row.value:g} ({row.spread:g})")
            if row is not None:
                records.append(
                    _record(overlap, structure, dataset, "reported", row.value, row.spread, row.n, row.source)
                )
        return Row(f"{overlap.title}, {dataset} as reported", tuple(cells), reported=True), records


def _by_subject(cases: pd.DataFrame) -> pd.Series[float]:
    """Return one value a subject: cases are the means over their regions, subjects the means over their cases."""
    of_cases = cases.groupby(["subject", "case"])["value"].mean()
    values: pd.Series[float] = of_cases.groupby("subject").mean()
    return values


def _cell(record: Mapping[str, object]) -> str:
    value, spread = record["value"], record["iqr"]
    assert isinstance(value, float) and isinstance(spread, float)  # measured ones have both
    return f"{number(value)} ({number(spread)})"


def _record(
    overlap: Overlap, structure: str, dataset: str, origin: str, value: float, iqr: float | None, n: int | None,
    source: str,
) -> dict[str, object]:  # fmt: skip
    return {
        "row": overlap.title, "structure": structure, "dataset": dataset, "origin": origin, "value": value, "iqr": iqr,
        "n": n, "source": source,
    }  # fmt: skip
