"""``run.json``: what was asked, by which code, and how far it has come."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from medbench.errors import SpecError
from medbench.progress import Progress, silent
from medbench.records.cpu_engine import through_onnx_runtime
from medbench.records.results import Budget, StageMemory, StagePrediction
from medbench.spec import Spec, fingerprint
from medbench.storage.checksums import CHECKSUM, with_checksum, without_checksum
from medbench.storage.files import storage_errors, write_json

T = TypeVar("T")
Kind = Literal["run", "evaluation"]
StageName = Literal["prepare", "fit", "sample", "evaluate", "report"]
LOCK = ".lock"
GALLERY = "gallery"
_LIBRARIES = ("medbench", "torch", "monai", "numpy", "scipy", "nibabel", "SimpleITK", "totalsegmentator", "nnunetv2")


class GenerationSpec(Spec):
    """What decides the samples. Two runs with equal generation specs make equal samples."""

    model: str
    model_version: str
    preset: str
    dataset: dict[str, Any]
    seed: int
    samples: int
    conditions: str | None = None
    """What steers the samples: label maps of a split, or a fingerprint of a folder of them; None: nothing."""
    grid: dict[str, Any] | None = None
    """The canonical grid, on which samples are kept."""
    source: str | None = None
    """SHA-256 of a generator's file, where it was named as ``path/to/file.py:Class``."""
    checkpoint: str
    """SHA-256 of the weights, ``train`` where the run trains its own, ``none`` where the model has no weights."""

    @property
    def weights(self) -> str | None:
        """SHA-256 of weights that the run does not train itself."""
        return None if self.checkpoint in ("train", "none") else self.checkpoint

    @property
    def generator(self) -> dict[str, Any]:
        """What makes the generator this one, beside its weights."""
        return self.model_dump(include={"model", "model_version", "preset", "source"})


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StageRecord(_Record):
    """How one stage went."""

    status: Literal["running", "done", "failed"]
    started: float
    seconds: float | None = None
    memory: StageMemory | None = None
    prediction: StagePrediction | None = None
    detail: dict[str, Any] = {}


class EvaluationRecord(_Record):
    """Under what the last evaluation ran, and what its gate found."""

    command: str = ""
    protocol: dict[str, Any] = {}
    gate: list[dict[str, str | int]] | None = None
    """The gate's findings, one row a check; None where no gate has run."""
    marks: dict[str, str] = {}
    """By the name under which a metric was asked for, a fingerprint of all that decided its number, while it stands."""
    files: dict[str, str] = {}
    """SHA-256 of ``results.json``, tables and figures of the last evaluation, by their paths in the folder."""

    model_config = ConfigDict(extra="ignore")  # what earlier versions kept here


class RunRecord(_Record):
    """The content of ``run.json``.

    ``spec`` is a ``GenerationSpec`` for a run, and the description of the folders for a bare evaluation.
    """

    schema_version: Literal[1] = 1
    kind: Kind
    id: str
    spec: dict[str, Any]
    fingerprint: str
    versions: dict[str, str]
    device: str = ""
    """The device of the last stage that ran."""
    budget: Budget | None = None
    stages: dict[StageName, StageRecord] = {}
    evaluation: EvaluationRecord = EvaluationRecord()

    def detail(self, stage: StageName) -> dict[str, Any]:
        """Return what a stage has noted of itself; nothing of one that has not begun."""
        entry = self.stages.get(stage)
        return entry.detail if entry is not None else {}


def library_versions() -> dict[str, str]:
    """Return the versions of Python, medbench and the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in (*_LIBRARIES, *(["onnxruntime"] if through_onnx_runtime() else [])):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class RunFolder:
    """A folder that holds one run, in the layout of the contract. Writing is atomic; reading checks.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record_file = path / "run.json"
        self.samples = path / "samples"
        self.results_file = path / "results.json"
        self.tables = path / "tables"
        self.figures = path / "figures"
        self.gallery = path / GALLERY
        self.report_file = path / "report.html"
        self.log_file = path / "log.txt"
        self.logs = path / "logs"
        self.is_held = False
        """Whether this process has shut others out (see ``medbench.records.lock``)."""

    def read(self) -> RunRecord:
        """Return the record.

        Raises:
            SpecError: the folder is no run folder, or its record was changed after it was written.
        """
        record, whole = self._parsed()
        if not whole:
            raise SpecError(f"{self.record_file} was changed after it was written: run the command that made it again")
        return record

    def open(self, *, kind: Kind, spec: dict[str, Any], progress: Progress = silent) -> RunRecord:
        """Return the folder's record, or a new one where there is none; a run may grow by more samples.

        A damaged record of the same spec is begun anew: what the folder holds is believed by its own checksums.

        Args:
            kind: of the folder.
            spec: what it is to hold.
            progress: told about a damaged record.

        Raises:
            SpecError: the folder holds a run of another spec, or files that are no run.
        """
        mark = fingerprint(spec)
        if self.record_file.exists():
            record, whole = self._parsed()
            if whole or not (record.spec == spec or record.fingerprint == mark):
                if record.fingerprint != mark:
                    self._require_growth(record, spec)
                    record.spec, record.fingerprint = spec, mark
                    self.write(record)
                return record
            progress.note(f"{self.record_file} is damaged: what was finished is looked through and recorded again")
        else:
            self.require_ours()
        record = RunRecord(
            kind=kind, id=self.path.resolve().name, spec=spec, fingerprint=mark, versions=library_versions()
        )
        self.write(record)
        return record

    def _parsed(self) -> tuple[RunRecord, bool]:
        """Return the record, and whether it is as it was written."""
        try:
            document = json.loads(self.record_file.read_bytes())
            try:
                document, whole = without_checksum(document), True
            except ValueError:
                whole = False
            record = RunRecord.model_validate({key: document[key] for key in document if key != CHECKSUM})
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SpecError(
                f"{self.path} is no run folder (it has no run.json): give a folder that 'medbench run' made"
            ) from error
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise SpecError(
                f"{self.record_file} is no run record, or damaged: give a folder that 'medbench run' made, or choose "
                "another --out"
            ) from error
        return record, whole and fingerprint(record.spec) == record.fingerprint

    def require_ours(self) -> None:
        """Refuse a folder that holds something else than a run.

        Raises:
            SpecError: it does.
        """
        with storage_errors(self.path):
            names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        # Locks, the log of a process that waits for one, and what another process that begins the same run is writing.
        foreign = [name for name in names if not name.startswith(".") and name != self.log_file.name]
        if foreign and self.record_file.name not in names:
            raise SpecError(f"{self.path} is not empty and holds no run: choose another --out")

    def _require_growth(self, record: RunRecord, spec: dict[str, Any]) -> None:
        """Refuse another spec, unless it is a run's own with more samples: those that are there stay."""
        changed = sorted(k for k in {*record.spec, *spec} if record.spec.get(k) != spec.get(k))
        if record.kind == "run" and changed == ["samples"]:
            there = record.spec["samples"]
            if spec["samples"] > there:
                return
            raise SpecError(f"{self.path} holds {there} samples: give --samples {there} or more, or another --out")
        raise SpecError(
            f"{self.path} holds a run of another spec (different: {', '.join(changed)}): "
            "choose another --out, or the options it was made with"
        )

    def write(self, record: RunRecord) -> None:
        """Write the record, whole or not at all."""
        write_json(self.record_file, with_checksum(record.model_dump(mode="json")))

    def clear(self) -> None:
        """Remove what a run has made; its record, log and the logs of what it trained stay."""
        for folder in (self.samples, self.tables, self.figures, self.gallery, self.path / "fit"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.results_file, self.report_file):
            file.unlink(missing_ok=True)

    @contextmanager
    def stage(self, record: RunRecord, name: StageName) -> Iterator[StageRecord]:
        """Mark a stage as running, then as done or failed; what the block adds to the yielded entry is kept."""
        entry = StageRecord(status="running", started=time.time())
        record.stages[name] = entry
        self.write(record)
        clock = time.monotonic()
        status: Literal["done", "failed"] = "failed"
        try:
            yield entry
            status = "done"
        finally:
            entry.status = status
            entry.seconds = round(time.monotonic() - clock, 3)
            self.write(record)


class Logged:
    """Passes everything on, and keeps one line for each finished task in a file.

    Args:
        inner: what the user sees.
        file: ``log.txt`` of a run; it is opened once its folder exists.
    """

    def __init__(self, inner: Progress, file: Path) -> None:
        self._inner = inner
        self._file = file

    def track(self, items: Iterable[T], *, task: str, total: int | None = None) -> Iterator[T]:
        """Yield the items; write how many there were and how long they took."""
        started = time.monotonic()
        count = 0
        for item in self._inner.track(items, task=task, total=total):
            yield item
            count += 1
        self._write(f"{task}: {count} in {time.monotonic() - started:.1f} s")

    def note(self, message: str) -> None:
        """Pass a line on and keep it."""
        self._inner.note(message)
        self._write(message)

    def _write(self, line: str) -> None:
        if self._file.parent.is_dir():
            with storage_errors(self._file), self._file.open("a", encoding="utf-8") as handle:
                handle.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
