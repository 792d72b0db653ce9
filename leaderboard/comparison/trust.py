"""Which numbers of a run are not compared, since what lies beside them contradicts them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from medbench import registry
from medbench.errors import MedbenchError, SpecError
from medbench.records.results import Report, Result
from medbench.records.run import RunFolder
from medbench.spec import fingerprint
from medbench.storage.files import inside, sha256_of

_COUNTS = {"real": "n_real", "synthetic": "n_synthetic"}


def doubts(file: Path, report: Report) -> dict[str, str]:
    """Return why numbers of a run are not trusted, by metric; nothing for one that nothing contradicts.

    A number's protocol must have the number's fingerprint, and its metric and counts where it names them (that of a
    reader study does not); its table must lie in the run's folder, have each side's volumes and be as the evaluation
    wrote it.

    Args:
        file: the ``results.json``.
        report: what it holds.
    """
    try:
        written = _written(file)
    except SpecError as error:
        return {result.metric: str(error) for result in report.results}
    found = {result.metric: next(_contradictions(result, file, written), None) for result in report.results}
    return {metric: doubt for metric, doubt in found.items() if doubt is not None}


def _written(file: Path) -> Mapping[str, str]:
    """Return the SHA-256 of the files that the evaluation wrote, as the run's record has them, where there is one."""
    run = RunFolder(file.parent)
    return run.read().evaluation.files if run.record_file.is_file() else {}


def _contradictions(result: Result, file: Path, written: Mapping[str, str]) -> Iterator[str]:
    if written.get(file.name, sha256_of(file)) != sha256_of(file):
        yield f"{file} is not what the run wrote"
    if fingerprint(result.protocol) != result.fingerprint:
        yield "its protocol does not have its fingerprint"
    stated = {"metric": result.metric, **{count: getattr(result, count) for count in _COUNTS.values()}}
    for field, value in stated.items():
        if result.protocol.get(field, value) != value:
            yield f"its {field} is {value}, and its protocol's {result.protocol[field]}"
    if result.metric in registry.names("metrics"):
        better = registry.load("metrics", result.metric).info.better
        if better != result.better:
            yield f"{better} is better of {result.metric}, not {result.better}"
    if result.table is not None:
        yield from _table_contradictions(result, result.table, file, written)


def _table_contradictions(result: Result, table: str, file: Path, written: Mapping[str, str]) -> Iterator[str]:
    try:
        path = inside(file.parent, table, named_by=file)
    except MedbenchError as error:
        yield str(error)
        return
    if not path.is_file():
        return  # whoever needs it says so
    if table in written and sha256_of(path) != written[table]:
        yield f"{path} is not what the run wrote"
    for side, volumes in _volumes(path).items():
        count = _COUNTS.get(side)
        if count is not None and len(volumes) != getattr(result, count):
            yield f"{path} has {len(volumes)} {side} volumes, and its {count} is {getattr(result, count)}"


def _volumes(path: Path) -> dict[str, set[str]]:
    """Return the ids of each side's volumes in a table; nothing where its rows do not name them."""
    found: dict[str, set[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                if row.get("side") and row.get("id"):
                    found.setdefault(row["side"], set()).add(row["id"])
    except (csv.Error, ValueError):  # whoever reads its values says so
        return {}
    return found
