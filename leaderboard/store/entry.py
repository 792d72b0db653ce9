"""A run as a board keeps it: its numbers, what they can be tested with, and where all of it comes from."""

from __future__ import annotations

import hashlib
import io
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from leaderboard.comparison.cases import read_cases
from leaderboard.comparison.trust import doubts
from medbench.drawing.montage import MONTAGE
from medbench.errors import DataError
from medbench.records.manifest import Manifest
from medbench.records.results import Budget, Report, Resampled, Result
from medbench.records.run import RunFolder, RunRecord
from medbench.spec import fingerprint
from medbench.statistics.resampling import FEWEST_SUBJECTS, delete_each_group
from medbench.storage.files import sha256_once

_TESTED: Final = (
    "tested", "cases", "real_values", "real_sizes", "synthetic_values", "synthetic_sizes", "synthetic_units",
    "floor_values",
)  # fmt: skip
_WIDEST: Final = 720
"""Pixels of a kept montage: a page holds many."""


@dataclass(frozen=True)
class Entry:
    """What a run adds to a store, as rows of its tables (``leaderboard.store.schema``).

    Args:
        run: of the table ``runs``.
        results: of the table ``results``, without the run's id.
        documents: results.json files, by their SHA-256.
        montage: WebP; None where the run has none.
    """

    run: dict[str, Any]
    results: list[dict[str, Any]]
    documents: dict[str, bytes]
    montage: bytes | None


def results_file(path: Path) -> Path:
    """Return the results.json that a run folder holds, or that is named itself."""
    return path if path.suffix == ".json" and not path.is_dir() else path / "results.json"


def read_entry(path: Path) -> Entry:
    """Read a run.

    Args:
        path: a folder that ``run`` or ``evaluate`` made, or its results.json; what lies beside that is read, too.

    Raises:
        DataError: absent, half-written, of another schema, or changed by hand; the message names the file.
        SpecError: the run.json beside it is none.
    """
    file = results_file(path)
    report = Report.read(file)
    content = file.read_bytes()
    document = hashlib.sha256(content).hexdigest()
    _require_sound(report, file)
    folder = RunFolder(file.parent)
    record = folder.read() if folder.record_file.is_file() else None
    run = {**_run(report), **_provenance(folder, record), "document": document}
    run["id"] = _identity(report, record)
    results = [{**_result(result, folder.path), "document": document} for result in report.results]
    return Entry(run, results, {document: content}, _thumbnail(folder.path / MONTAGE.file))


def _identity(report: Report, record: RunRecord | None) -> str:
    """Return the id of a run on every board; a run that grows by samples stays itself."""
    spec = {key: value for key, value in record.spec.items() if key != "samples"} if record is not None else None
    return fingerprint({"run": report.run, "model": report.model, "track": report.track, "spec": spec})


def packed(content: bytes) -> bytes:
    """Return a document as it is stored."""
    return zlib.compress(content)


def unpacked(stored: bytes, sha256: str) -> bytes:
    """Return a stored document.

    Raises:
        DataError: it was changed in the store.
    """
    try:
        content = zlib.decompress(stored)
    except zlib.error:
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"the results.json {sha256[:12]} was changed in the store: add its run again")
    return content


def _require_sound(report: Report, file: Path) -> None:
    """Refuse numbers that what lies beside them contradicts.

    Raises:
        DataError: they are.
    """
    for metric, doubt in doubts(file, report).items():
        raise DataError(f"{file}: {metric} is not trusted ({doubt}): run the command that made it again")
    names = [result.metric for result in report.results]
    if len(set(names)) < len(names):
        raise DataError(f"{file} was changed: it has a metric twice: run the command that made it again")


def _run(report: Report) -> dict[str, Any]:
    budget = report.budget
    return {
        "run": report.run,
        "model": report.model,
        "model_version": report.model_version,
        "dataset": report.dataset,
        "track": report.track,
        "added": time.time(),
        "leaks": list(report.leaks),
        "budget_kind": budget.kind,
        "budget_limit_bytes": budget.limit_bytes,
        "budget_peak_bytes": _peak(budget),
        "within_budget": budget.within,
    }


def _peak(budget: Budget) -> int | None:
    """Return the most video memory (bytes) that a stage took, or was predicted to take; None where nothing is known."""
    if budget.kind == "measured":
        sizes = [
            stage.process_bytes or stage.reserved_bytes for name, stage in budget.stages.items() if name != "evaluate"
        ]
    else:
        sizes = [stage.peak_bytes for stage in budget.predicted.values()]
    return max((size for size in sizes if size is not None), default=None)


def _provenance(folder: RunFolder, record: RunRecord | None) -> dict[str, Any]:
    """Return what run.json and the manifest say; nothing where a results.json lies alone."""
    if record is None:
        names = ("command", "spec", "preset", "seed", "checkpoint", "device", "versions", "native_shape")
        return {"origin": str(folder.path.resolve()), **dict.fromkeys(names)}
    first = next(iter(Manifest(folder.samples).records().values()), None)
    return {
        "origin": str(folder.path.resolve()),
        "command": record.evaluation.command or None,
        "spec": record.fingerprint,
        "preset": record.spec.get("preset"),
        "seed": record.spec.get("seed"),
        "checkpoint": _checkpoint(folder, record),
        "device": record.device or None,
        "versions": record.versions,
        "native_shape": list(first.native_shape) if first else None,
    }


def _checkpoint(folder: RunFolder, record: RunRecord) -> str | None:
    """Return the SHA-256 of the weights, also of those that the run trained; None where there are none."""
    stated = record.spec.get("checkpoint")
    if stated != "train":
        return None if stated == "none" else stated
    made = record.stages["fit"].detail.get("checkpoint") if "fit" in record.stages else None
    file = folder.path / made if made else None
    return sha256_once(file) if file is not None and file.is_file() else "train"


def _result(result: Result, folder: Path) -> dict[str, Any]:
    low, high = result.ci95 or (None, None)
    return {
        "metric": result.metric,
        "fingerprint": result.fingerprint,
        "better": result.better,
        "unit": result.unit,
        "value": result.value,
        "ci_low": low,
        "ci_high": high,
        "ci_method": result.ci_method,
        "floor": result.floor,
        "n_real": result.n_real,
        "n_synthetic": result.n_synthetic,
        "stand_ins": list(result.stand_ins),
        **_tested(result, folder),
    }


def _tested(result: Result, folder: Path) -> dict[str, Any]:
    """Return what a test of a difference rests on: replicates of the value, or of the mean over its cases."""
    found: dict[str, Any] = dict.fromkeys(_TESTED)
    if result.replicates:
        sides = {f"{side}_{what}": values for side, one in result.replicates.items() for what, values in _sides(one)}
        floor = np.array(result.floor_values) if result.floor_counts == "same" else None
        kept = {name: values for name, values in sides.items() if name in found}
        return found | {"tested": result.value, "floor_values": floor} | kept
    if result.cases is None or result.table is None or not (folder / result.table).is_file():
        return found
    table = read_cases(folder / result.table, result.cases)
    # Several samples of a case and its regions are averaged first, and then the cases of a patient.
    cases = table.groupby(["subject", "case", "region"])["value"].mean().groupby(["subject", "case"]).mean()
    means = cases.groupby("subject").mean()
    if len(means) < FEWEST_SUBJECTS:
        return found
    values = means.to_numpy()
    without = delete_each_group(lambda stay: float(values[stay].mean()), list(means.index))
    sides = {"real_values": without.values, "real_sizes": without.sizes}
    return found | sides | {"tested": float(values.mean()), "cases": fingerprint([list(key) for key in cases.index])}


def _sides(one: Resampled) -> tuple[tuple[str, Any], ...]:
    return ("values", np.array(one.values)), ("sizes", np.array(one.sizes, dtype=np.float64)), ("units", one.units)


def _thumbnail(file: Path) -> bytes | None:
    """Return a montage small enough for a page of many.

    Raises:
        DataError: the file is no picture.
    """
    if not file.is_file():
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as picture:
            small = picture.convert("RGB")
            small.thumbnail((_WIDEST, _WIDEST))
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{file} is no PNG file: delete it, or make the figure again") from error
    kept = io.BytesIO()
    small.save(kept, "WEBP", quality=75, method=4)
    return kept.getvalue()
