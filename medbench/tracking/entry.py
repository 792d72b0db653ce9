"""A run as trackers take it: numbers by name, texts by name, pictures and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medbench.records.results import Report, Result
from medbench.records.run import RunFolder
from medbench.spec import fingerprint

_KEY_LENGTH: Final = 8


@dataclass(frozen=True)
class TrackedRun:
    """What is logged of a run.

    Args:
        key: the same whenever this run is logged: a tracker then adds to what it has.
        name: the run's.
        numbers: values, ends of intervals, floors, counts and parts, like ``fid25d``, ``fid25d/ci_low``, ``fid25d/xy``.
        tags: what the numbers belong to, with the fingerprint of each.
        figures: PNG files by name.
        files: results.json, and the report where there is one.
        folder: the run's.
    """

    key: str
    name: str
    numbers: Mapping[str, float]
    tags: Mapping[str, str]
    figures: Mapping[str, Path]
    files: tuple[Path, ...]
    folder: Path

    @classmethod
    def of(cls, report: Report, folder: RunFolder) -> TrackedRun:
        """Return what a run folder holds.

        Args:
            report: its results.
            folder: with its tables, figures and report.
        """
        drawn = sorted(folder.figures.glob("[!.]*.png"))
        return cls(
            key=fingerprint({"run": report.run, "track": report.track, "model": report.model})[:_KEY_LENGTH],
            name=report.run,
            numbers=dict(pair for result in report.results for pair in _numbers(result)),
            tags=dict(_tags(report, folder)),
            figures={path.stem: path for path in drawn},
            files=tuple(path for path in (folder.results_file, folder.report_file) if path.is_file()),
            folder=folder.path,
        )


def _numbers(result: Result) -> Iterator[tuple[str, float]]:
    yield result.metric, result.value
    low, high = result.ci95 or (None, None)
    beside = {"ci_low": low, "ci_high": high, "floor": result.floor, "ceiling": result.ceiling}
    beside |= {"n_real": result.n_real, "n_synthetic": result.n_synthetic}
    yield from ((f"{result.metric}/{name}", value) for name, value in beside.items() if value is not None)
    for part, figures in result.parts.items():
        named = (
            {f"{part}/{name}": figure for name, figure in figures.items()}
            if isinstance(figures, dict)
            else {part: figures}
        )
        yield from ((f"{result.metric}/{name}", figure) for name, figure in named.items())


def _tags(report: Report, folder: RunFolder) -> Iterator[tuple[str, str]]:
    yield from (("run", report.run), ("model", report.model), ("dataset", report.dataset), ("track", report.track))
    if report.model_version is not None:
        yield "model_version", report.model_version
    if report.leaks:
        yield "leaks", "; ".join(report.leaks)
    stand_ins = sorted({name for result in report.results for name in result.stand_ins})
    if stand_ins:
        yield "stand_ins", ", ".join(stand_ins)
    for result in report.results:
        yield f"fingerprint/{result.metric}", result.fingerprint
    for skipped in report.skipped:
        yield f"skipped/{skipped.metric}", skipped.reason
    if folder.record_file.is_file():
        record = folder.read()
        yield "spec", record.fingerprint
        yield from ((f"version/{name}", version) for name, version in record.versions.items() if name == "medbench")
        named = {name: record.spec.get(name) for name in ("preset", "seed", "checkpoint")}
        yield from ((name, str(value)) for name, value in named.items() if value is not None)
        if record.evaluation.command:
            yield "command", record.evaluation.command
