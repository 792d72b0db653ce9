"""Runs against each other: every metric that two runs share, where their fingerprints allow it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from leaderboard.comparison.cases import difference_of_cases, read_cases
from leaderboard.comparison.trust import doubts
from medbench.drawing.text import ABSENT, label
from medbench.errors import SpecError
from medbench.records.results import Report, Result
from medbench.statistics.multiple_tests import holm
from medbench.statistics.resampling import Replicates
from medbench.statistics.significance import Estimate, Outcome, jackknife_test, untested
from medbench.storage.cells import neutral
from medbench.storage.files import atomic_path

_MOST_NAMED = 3
_LONGEST = 24
_WORDS: Final = {"n_real": "number of real volumes", "n_synthetic": "number of synthetic volumes"}


@dataclass(frozen=True)
class Run:
    """A run that is compared.

    Args:
        name: its id, or its path where two runs share an id.
        folder: what its tables' paths are relative to.
        report: its results.
        doubts: why numbers of it are not trusted, by metric.
    """

    name: str
    folder: Path
    report: Report
    doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One metric in two runs.

    Args:
        metric: its name.
        part: always None: the metric's value is compared, not its parts.
        a: name of the first run.
        b: name of the second run.
        difference: a - b.
        ci95: both ends of its 95 % interval, or None.
        p_value: two-sided, or None.
        p_adjusted: by Holm over all rows that have a p-value.
        test: the test in words, or why there is none.
        value_a: the metric's value in the first run.
        value_b: the metric's value in the second run.
        better: which way is better.
        fingerprint: of the protocol that both share.
    """

    metric: str
    part: str | None
    a: str
    b: str
    difference: float
    ci95: tuple[float, float] | None
    p_value: float | None
    p_adjusted: float | None
    test: str
    value_a: float
    value_b: float
    better: str
    fingerprint: str


@dataclass(frozen=True)
class Incomparable:
    """A metric that two runs cannot be compared by, and why."""

    metric: str
    a: str
    b: str
    reason: str


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """Return runs from folders that ``run`` or ``evaluate`` made, or from ``results.json`` files.

    Raises:
        SpecError: fewer than two, or one of them twice.
        DataError: no readable results.
    """
    if len(paths) < 2:
        raise SpecError(f"a comparison needs two runs or more, and {len(paths)} came")
    files = [path / "results.json" if path.is_dir() or path.suffix != ".json" else path for path in paths]
    if len({file.resolve() for file in files}) < len(files):
        raise SpecError("the same run is named twice: a run is compared with others")
    reports = [Report.read(file) for file in files]
    ids = [report.run for report in reports]
    names = [str(path) if ids.count(name) > 1 else name for path, name in zip(paths, ids)]
    return [Run(name, file.parent, report, doubts(file, report)) for name, file, report in zip(names, files, reports)]


def compare(runs: Sequence[Run]) -> tuple[list[Row], list[Incomparable]]:
    """Compare each pair of runs by every metric that both have under one fingerprint.

    Returns:
        One row a metric and pair, with p-values adjusted over all rows (Holm); what cannot be compared, and why.

    Raises:
        DataError: a table behind a number is absent or damaged.
    """
    metrics = dict.fromkeys(result.metric for run in runs for result in run.report.results)
    found = [_compare_one(metric, a, b) for metric in metrics for a, b in itertools.combinations(runs, 2)]
    rows = [one for one in found if isinstance(one, Row)]
    apart = [one for one in found if isinstance(one, Incomparable)]
    adjusted = holm([row.p_value for row in rows])
    return [replace(row, p_adjusted=p) for row, p in zip(rows, adjusted)], apart


def require_any(rows: Sequence[Row], apart: Sequence[Incomparable]) -> None:
    """Refuse runs that share no comparable number.

    Raises:
        SpecError: there is no row; the message names the first reason.
    """
    if rows:
        return
    if not apart:
        raise SpecError("nothing can be compared: the runs hold no results")
    first = apart[0]
    raise SpecError(f"nothing can be compared; {first.metric} of {first.a} and {first.b}: {first.reason}")


def differences_in_words(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Say which fields of two protocols differ, and how: ``number of synthetic volumes: 16 and 32``.

    Args:
        a: protocol of a result.
        b: protocol of another result.
    """
    first, second = dict(_leaves(a)), dict(_leaves(b))
    told = [
        f"{_named(key)}: {_short(first.get(key))} and {_short(second.get(key))}"
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]
    more = f"; and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    return "; ".join(told[:_MOST_NAMED]) + more


def p_words(p_value: float | None) -> str:
    """Return a p-value with three decimals: ``0.031``, ``<0.001``."""
    if p_value is None:
        return ABSENT
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write one line a row, the interval in the columns ``ci_low`` and ``ci_high``; whole or not at all.

    Args:
        path: the CSV file.
        rows: one or more.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        lines = []
        for row in map(asdict, rows):
            low, high = row.pop("ci95") or (None, None)
            lines.append({name: neutral(cell) for name, cell in {**row, "ci_low": low, "ci_high": high}.items()})
        writer = csv.DictWriter(handle, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _compare_one(metric: str, a: Run, b: Run) -> Row | Incomparable:
    first, second = (next((result for result in run.report.results if result.metric == metric), None) for run in (a, b))
    if first is None or second is None:
        lacking = a if first is None else b
        return Incomparable(metric, a.name, b.name, f"{lacking.name} has no such number{_why(metric, lacking)}")
    if doubted := next((run for run in (a, b) if metric in run.doubts), None):
        return Incomparable(metric, a.name, b.name, f"{doubted.name} is not trusted: {doubted.doubts[metric]}")
    if first.fingerprint != second.fingerprint:
        reason = f"their protocols differ ({differences_in_words(first.protocol, second.protocol)})"
        return Incomparable(metric, a.name, b.name, reason)
    outcome = _outcome(a, b, first, second)
    return Row(
        metric=metric,
        part=None,
        a=a.name,
        b=b.name,
        **vars(outcome),
        p_adjusted=None,
        value_a=first.value,
        value_b=second.value,
        better=first.better,
        fingerprint=first.fingerprint,
    )


def _outcome(a: Run, b: Run, first: Result, second: Result) -> Outcome:
    if first.replicates and second.replicates:
        return jackknife_test(_estimate(first), _estimate(second))
    if first.cases is not None and first.table is not None and second.table is not None:
        tables = a.folder / first.table, b.folder / second.table
        return difference_of_cases(*(read_cases(table, first.cases) for table in tables))
    return untested(first.value - second.value, "neither replicates nor values case by case are stored")


def _estimate(result: Result) -> Estimate:
    sides = {
        side: Replicates(np.array(stored.values), np.array(stored.sizes), stored.units)
        for side, stored in result.replicates.items()
    }
    floor = result.floor_values if result.floor_counts == "same" else ()
    return Estimate(result.value, sides.get("real"), sides.get("synthetic"), floor)


def _why(metric: str, run: Run) -> str:
    reason = next((skipped.reason for skipped in run.report.skipped if skipped.metric == metric), None)
    return f" ({reason})" if reason else ""


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _named(key: str) -> str:
    return _WORDS.get(key, label(key.replace(".", " ")))


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
