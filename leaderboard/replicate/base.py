"""What a part of a paper is made of, and what it shows: tables, pictures and notes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leaderboard.reported.rows import ReportedRow
from medbench.datasets.base import Dataset
from medbench.progress import Progress
from medbench.records.results import Report, Result, StoredFigure
from medbench.spec import Protocol, Spec

REAL: Final = "real"
"""Names real volumes among the models."""


@dataclass(frozen=True)
class Row:
    """One line of a table: its name and a text for each column; ``reported`` sets it apart from what was measured."""

    name: str
    cells: tuple[str, ...]
    reported: bool = False


@dataclass(frozen=True)
class Table:
    """A table in the paper's layout, and the numbers in it one by one.

    Args:
        name: stem of its files.
        columns: headings, the first one over the names of the rows.
        rows: their cells are one fewer than the columns.
        records: what the CSV file holds, one number a row; all records have the same keys.
        groups: headings above the columns and how many each spans; none: a single line of headings.
        caption: what stands above it.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    records: tuple[Mapping[str, object], ...]
    groups: tuple[tuple[str, int], ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure: the folder that its file's path is relative to, what is said of it, and the stand-ins behind it."""

    folder: Path
    figure: StoredFigure
    stand_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What a part shows; ``notes`` say what a reader should know, above all why something is missing."""

    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A run that was made: its model, its folder and its results."""

    model: str
    folder: Path
    report: Report

    def result(self, metric: str) -> Result | None:
        """Return a metric's result; None where it was not computed."""
        return next((result for result in self.report.results if result.metric == metric), None)

    def why_not(self, metric: str) -> str:
        """Return why a metric was not computed."""
        reasons = (skipped.reason for skipped in self.report.skipped if skipped.metric == metric)
        return next(reasons, "it was not asked for")


@dataclass(frozen=True)
class Findings:
    """All that the parts of a paper are made from.

    Args:
        out: the replication's folder.
        dataset: the track's data set.
        named: the name that it is asked for by.
        data_root: the folder that holds it.
        protocol: what it was measured under.
        runs: by what they are for, then by model; a model whose run could not be made is left out.
        published: model -> its name in the paper's tables; also that of real volumes, ``real``.
        reported: the paper's own numbers.
    """

    out: Path
    dataset: Dataset
    named: str
    data_root: Path | None
    protocol: Protocol
    runs: Mapping[str, Mapping[str, Finished]]
    published: Mapping[str, str]
    reported: Sequence[ReportedRow]

    def of(self, run: str) -> Mapping[str, Finished]:
        """Return the runs of a kind by model; none where there are none."""
        return self.runs.get(run, {})

    def models(self, run: str) -> list[str]:
        """Return the paper's models in its order, then the others that have a run of a kind."""
        own = [model for model in self.published if model != REAL]
        return list(dict.fromkeys([*own, *self.of(run)]))

    def reported_sets(self, metric: str) -> list[str]:
        """Return the data sets that the paper reports a metric on, in its order."""
        return list(dict.fromkeys(row.dataset for row in self.reported if row.metric == metric))

    def reported_row(
        self, metric: str, dataset: str, model: str | None, structure: str | None = None
    ) -> ReportedRow | None:
        """Return what the paper reports of a model by its registered name; None where it reports nothing.

        Args:
            metric: the paper's name of it.
            dataset: the paper's name of it.
            model: registered name; None: whatever model the paper names.
            structure: anatomical structure, where the metric is reported by these.
        """
        name = None if model is None else self.published.get(model)
        if model is not None and name is None:
            return None
        for row in self.reported:
            if (row.metric, row.dataset, row.structure) == (metric, dataset, structure) and name in (None, row.model):
                return row
        return None


class Part(Spec):
    """The beginning of every part: its place in the paper, its title and what is to be known of it.

    Args:
        id: stem of its files and anchor in the page.
        place: where the paper has it, like ``Table 1``; empty for what the paper lacks.
        title: what it shows.
        note: what a reader should know before looking at it.
    """

    id: str
    place: str = ""
    title: str
    note: str = ""

    @property
    def heading(self) -> str:
        """Place and title."""
        return f"{self.place}: {self.title}" if self.place else self.title

    @abstractmethod
    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Return what it shows; figures are written below ``findings.out``.

        Args:
            findings: runs and reported numbers.
            progress: told about what takes long.

        Raises:
            MedbenchError: it cannot be made; the message says why.
        """
