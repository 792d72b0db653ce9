"""A table of models and scores: what was measured beside what the paper reports on each of its data sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from leaderboard.replicate.base import REAL, Findings, Finished, Part, Row, Shown, Table
from medbench.drawing.text import ABSENT, interval, number
from medbench.progress import Progress
from medbench.records.results import Result
from medbench.spec import Spec


class Score(Spec):
    """A score of the table.

    Args:
        title: its heading.
        metric: registered name.
        part: the part of the metric that is shown, as mean and standard deviation; None: the metric's value.
        reported: the paper's name of it.
    """

    title: str
    metric: str
    part: str | None = None
    reported: str


class Scores(Part):
    """Models by scores, with the floor in the row of real volumes.

    Args:
        run: the kind of run that holds the metrics.
        scores: one a group of columns.
    """

    kind: Literal["scores"]
    run: str
    scores: tuple[Score, ...]

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Return the table; a cell without a number has its reason among the notes."""
        del progress
        rows, notes, records = [], [], []
        for model in [*findings.models(self.run), REAL]:
            cells: list[str] = []
            for score in self.scores:
                measured, reason = _measured(score, findings, self.run, model)
                cells += [*measured, *_reported(score, findings, model)]
                notes += [reason] if reason else []
                records += list(_records(score, findings, self.run, model))
            if any(cell != ABSENT for cell in cells):
                rows.append(Row(model, tuple(cells)))
        widths = [len(findings.reported_sets(score.reported)) + 2 for score in self.scores]
        columns = [
            name
            for score in self.scores
            for name in ("here", _spread_of(score), *map(_published, findings.reported_sets(score.reported)))
        ]
        table = Table(
            name=self.id,
            columns=("model", *columns),
            rows=tuple(rows),
            records=tuple(records),
            groups=tuple(zip((score.title for score in self.scores), widths)),
        )
        return Shown(tables=(table,) if rows else (), notes=tuple(dict.fromkeys(notes)))


def _spread_of(score: Score) -> str:
    return "95 % interval" if score.part is None else "SD"


def _published(dataset: str) -> str:
    return f"{dataset}, reported"


def _measured(score: Score, findings: Findings, run: str, model: str) -> tuple[tuple[str, str], str]:
    """Return value and spread as texts, and why they are absent."""
    if model == REAL:
        floor = next((found.floor for found in _results(score, findings, run) if found.floor is not None), None)
        return (ABSENT if floor is None or score.part else number(floor), ABSENT), ""
    finished = findings.of(run).get(model)
    if finished is None:
        return (ABSENT, ABSENT), ""
    result = finished.result(score.metric)
    if result is None:
        return (ABSENT, ABSENT), f"{model}, {score.metric}: {finished.why_not(score.metric)}"
    if score.part is None:
        return (number(result.value), interval(result.ci95)), ""
    figures = result.parts.get(score.part)
    if not isinstance(figures, dict):
        return (ABSENT, ABSENT), f"{model}, {score.title}: {finished.why_not(f'{score.metric}.{score.part}')}"
    return (number(figures["mean"]), number(figures.get("std"))), ""


def _reported(score: Score, findings: Findings, model: str) -> Iterator[str]:
    for dataset in findings.reported_sets(score.reported):
        row = findings.reported_row(score.reported, dataset, model)
        spread = "" if row is None or row.spread is None else f" ({row.spread:g})"
        yield ABSENT if row is None else f"{row.value:g}{spread}"


def _results(score: Score, findings: Findings, run: str) -> Iterator[Result]:
    for finished in findings.of(run).values():
        if (result := finished.result(score.metric)) is not None:
            yield result


def _records(score: Score, findings: Findings, run: str, model: str) -> Iterator[dict[str, object]]:
    """Yield one record a number: the measured one, then the reported ones."""
    finished = findings.of(run).get(model)
    result = finished.result(score.metric) if finished is not None else None
    if finished is not None and result is not None:
        yield _record(score, finished, result)
    for dataset in findings.reported_sets(score.reported):
        row = findings.reported_row(score.reported, dataset, model)
        if row is not None:
            yield {
                **dict.fromkeys(_KEYS),
                **{"model": model, "score": score.title, "dataset": dataset, "origin": "reported", "value": row.value},
                **{"spread": row.spread, "n_synthetic": row.n, "source": row.source},
            }


def _record(score: Score, finished: Finished, result: Result) -> dict[str, object]:
    low, high = result.ci95 or (None, None)
    value: float | None = result.value
    spread: float | None = None
    if score.part is not None:
        figures = result.parts.get(score.part)
        value, spread = (figures["mean"], figures.get("std")) if isinstance(figures, dict) else (None, None)
        low, high = None, None
    return {
        **dict.fromkeys(_KEYS),
        **{"model": finished.model, "score": score.title, "dataset": finished.report.dataset, "origin": "measured"},
        **{"value": value, "spread": spread, "ci_low": low, "ci_high": high, "floor": result.floor},
        **{"n_real": result.n_real, "n_synthetic": result.n_synthetic, "fingerprint": result.fingerprint},
        "source": finished.report.run,
    }


_KEYS = (
    "model", "score", "dataset", "origin", "value", "spread", "ci_low", "ci_high", "floor", "n_real", "n_synthetic",
    "fingerprint", "source",
)  # fmt: skip
