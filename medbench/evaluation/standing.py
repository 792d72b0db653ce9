"""What an earlier evaluation left in the same folder: numbers that still stand are kept, and are not made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medbench import registry
from medbench.errors import DataError, MedbenchError
from medbench.evaluation.instruments import Instruments
from medbench.records.results import Report, Result, Skipped
from medbench.records.run import RunFolder, RunRecord
from medbench.spec import fingerprint
from medbench.storage.files import has_content


@dataclass(frozen=True)
class Standing:
    """The part of an earlier evaluation that still stands.

    Args:
        marks: by the name under which a metric was asked for, the fingerprint of all that decided its number.
        results: numbers that stand, with their tables and figures.
        skipped: what could not be computed, and still cannot.
        report: the results as a whole, where nothing of them has lost its ground; else None.
        lost: metrics whose numbers stand no more.
        altered: ``results.json`` is not what was written here: nothing of it stands.
    """

    marks: Mapping[str, str] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    report: Report | None = None
    lost: tuple[str, ...] = ()
    altered: bool = False


def mark_of(metric: str, instruments: Instruments, samples: str) -> str:
    """Return a fingerprint of all that decides a metric's number.

    Args:
        metric: as it was asked for.
        instruments: what the volumes are seen with.
        samples: a fingerprint of the synthetic side.
    """
    return fingerprint({"samples": samples, "instruments": instruments.fingerprint([metric])})


def standing(folder: RunFolder, record: RunRecord, instruments: Instruments, samples: str) -> Standing:
    """Return what still stands in a folder; what was changed since, or has lost its table, does not."""
    files = record.evaluation.files
    if not record.evaluation.marks or not folder.results_file.is_file():
        return Standing()
    try:
        report = Report.read(folder.results_file)
    except DataError:
        report = None
    if report is None or not has_content(folder.results_file, files.get(folder.results_file.name)):
        return Standing(altered=True)
    marks = {name: mark for name, mark in record.evaluation.marks.items() if _stands(name, mark, instruments, samples)}
    known = {registry.load("metrics", name).info.name: name for name in marks}
    results = tuple(one for one in report.results if one.metric in known and _is_whole(one, folder, files))
    skipped = tuple(one for one in report.skipped if one.metric.partition(".")[0] in known)
    told = {one.metric for one in results} | {one.metric for one in skipped}
    marks = {name: marks[name] for metric, name in known.items() if metric in told}
    lost = tuple(one.metric for one in report.results if one not in results)
    whole = not lost and all(has_content(folder.path / file, sha256) for file, sha256 in files.items())
    return Standing(marks, results, skipped, report if whole else None, lost)


def _stands(metric: str, mark: str, instruments: Instruments, samples: str) -> bool:
    try:
        return mark_of(metric, instruments, samples) == mark
    except MedbenchError:  # its plug-in's file has moved, or its weights are damaged
        return False


def _is_whole(result: Result, folder: RunFolder, files: Mapping[str, str]) -> bool:
    own = [*filter(None, [result.table]), *(figure.file for figure in result.figures)]
    return all(has_content(folder.path / file, files.get(file)) for file in own)
