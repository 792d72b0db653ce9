"""``manifest.jsonl``: the samples of a folder, one line each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from pydantic import Field, NonNegativeInt, ValidationError

from medbench.errors import DataError
from medbench.spec import Spec
from medbench.storage.checksums import with_checksum, without_checksum
from medbench.storage.files import inside, sha256_once, storage_errors, write_text

MANIFEST: Final = "manifest.jsonl"
_PART: Final = ".manifest-"


class SampleRecord(Spec):
    """One line of ``manifest.jsonl``."""

    index: NonNegativeInt
    seed: int
    file: str = Field(description="relative to the manifest, below its folder; so is the condition")
    sha256: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    native_shape: tuple[int, int, int]
    condition: str | None = None
    condition_sha256: str | None = None
    condition_regions: dict[str, str] | None = Field(None, description="names of the condition's values")
    condition_source: str | None = Field(None, description="split and case, or the file, that the condition came from")
    checkpoint: str | None = Field(None, description="SHA-256 of the weights that made it; None where it had none")
    seconds: float


class Manifest:
    """The list of a run's samples. A line is appended once its file is complete, so that a killed run can trust it.

    Processes that sample at the same time each append to a file of their own, which the next ``rewrite`` takes in: file
    systems of clusters do not append in turn.

    Args:
        folder: the folder of the samples.
        part: names the writer's own file; empty: the manifest itself.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self.folder = folder
        self.path = folder / MANIFEST
        self._own = folder / f"{_PART}{part}.jsonl" if part else self.path

    def records(self) -> dict[int, SampleRecord]:
        """Return the records by sample index; a last line that a kill cut short is passed over.

        Raises:
            DataError: a line is damaged, names a file outside the folder, or lists a sample or a file once more.
        """
        found: dict[int, SampleRecord] = {}
        files: set[str] = set()
        for number, record in self._lines():
            where = f"{self.path} line {number}"
            if record is None:
                raise DataError(f"{where} is damaged: delete the line, then run the command again")
            for name in filter(None, (record.file, record.condition)):
                inside(self.folder, name, named_by=where)
            if record.index in found or record.file in files:
                again = f"sample {record.index}" if record.index in found else record.file
                raise DataError(f"{where} lists {again} once more: delete one of the lines")
            found[record.index] = record
            files.add(record.file)
        return found

    def is_ours(self) -> bool:
        """Return whether the file is there and is no list of another tool, which may have the same name.

        Raises:
            DataError: not UTF-8 text.
        """
        if not self.path.is_file():
            return False
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not UTF-8 text: sample again, or rename the file") from error
        return not lines or not all(map(_is_foreign, lines))

    def complete(self, count: int, *, checkpoint: str | None = None) -> dict[int, SampleRecord]:
        """Return the records below ``count`` whose files are there as they were written; others are passed over.

        Args:
            count: how many samples there are to be.
            checkpoint: SHA-256 of the weights; samples that others made are passed over.
        """
        found: dict[int, SampleRecord] = {}
        for _, record in chain(self._lines(), *map(_lines_of, self._parts())):
            if record is None or record.index >= count or record.checkpoint != checkpoint:
                continue
            others = found.values()
            if all(record.file != other.file for other in others) and self._is_whole(record):
                found.setdefault(record.index, record)
        return found

    def count(self) -> int:
        """Return how many lines the manifest itself has, damaged ones included."""
        return sum(1 for _ in self._lines())

    def append(self, record: SampleRecord) -> None:
        """Add a record and flush it to the disk; what a killed writer left of a line stays a line of its own."""
        with storage_errors(self._own), self._own.open("a+b") as handle:
            if handle.tell():
                handle.seek(-1, os.SEEK_END)
                handle.write(b"" if handle.read(1) == b"\n" else b"\n")
            handle.write(_line(record).encode())
            handle.flush()
            os.fsync(handle.fileno())

    def rewrite(self, records: Iterable[SampleRecord]) -> None:
        """Replace the manifest, and what was appended to other files, by these records, sorted by index."""
        ordered = sorted(records, key=lambda record: record.index)
        write_text(self.path, "".join(map(_line, ordered)))
        for part in self._parts():
            part.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob(f"{_PART}*.jsonl"))

    def _lines(self) -> Iterator[tuple[int, SampleRecord | None]]:
        return _lines_of(self.path)

    def _is_whole(self, record: SampleRecord) -> bool:
        wanted = {record.file: record.sha256}
        if record.condition is not None and record.condition_sha256 is not None:
            wanted[record.condition] = record.condition_sha256
        try:
            paths = {inside(self.folder, name, named_by=str(self.path)): sha256 for name, sha256 in wanted.items()}
            return all(path.is_file() and sha256_once(path) == sha256 for path, sha256 in paths.items())
        except (DataError, OSError):
            return False


def _lines_of(path: Path) -> Iterator[tuple[int, SampleRecord | None]]:
    """Yield number and record of each line, None for a damaged one; a last line without its end may be cut."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")  # what is no text fails its checksum
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = SampleRecord.model_validate(without_checksum(json.loads(line)))
        except (ValidationError, ValueError, RecursionError):
            if number < len(lines) or text.endswith("\n"):
                yield number, None
        else:
            yield number, record


def _line(record: SampleRecord) -> str:
    return json.dumps(with_checksum(record.model_dump(mode="json")), allow_nan=False) + "\n"


def _is_foreign(line: str) -> bool:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "sha256" not in document
