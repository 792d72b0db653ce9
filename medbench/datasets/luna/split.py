"""The fixed split of LUNA16; its rule and reason are written down in ``split.json``."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from medbench.datasets.base import Split
from medbench.errors import DataError
from medbench.spec import Spec

PATIENTS: Final = "patients.csv"
# Spellings of one heading in the tables of TCIA and NBIA, without spaces, underscores and capitals.
_SERIES_COLUMNS = ("seriesuid", "seriesinstanceuid")
_PATIENT_COLUMNS = ("patientid", "subjectid")


class Subset(Spec):
    """One of the published folders: how many scans it holds and which split it is."""

    scans: int
    split: Split


class LunaSplit(Spec):
    """The split in words and numbers; ``subsets[k]`` describes the folder ``subsetk``."""

    rule: str
    reason: str
    subsets: tuple[Subset, ...]


@functools.cache
def published_split() -> LunaSplit:
    """Return the split of ``split.json``."""
    return LunaSplit.model_validate_json(resources.files(__package__).joinpath("split.json").read_bytes())


def assign(planned: Mapping[str, Split], patient_of: Mapping[str, str]) -> dict[str, Split]:
    """Keep every patient within one split; the held-out scans stay as they are planned.

    Args:
        planned: the split of each scan's subset.
        patient_of: the patient of each scan.

    Returns:
        The split by scan. Scans for training or selection whose patient is held out have none; those for training
        whose patient is in the selection split join it.
    """
    held_out = {patient_of[scan] for scan, split in planned.items() if split == "test"}
    kept = {scan: split for scan, split in planned.items() if split == "test" or patient_of[scan] not in held_out}
    selecting = {patient_of[scan] for scan, split in kept.items() if split == "select"}
    return {scan: "select" if patient_of[scan] in selecting else split for scan, split in kept.items()}


def read_patients(path: Path, scans: list[str]) -> dict[str, str]:
    """Return the patient of every scan, from a table of series and patients (other series in it are passed over).

    Raises:
        DataError: not such a table, or scans are missing in it.
    """
    mend = f"take metadata.csv of the LIDC-IDRI collection from TCIA (Series UID, Subject ID), or delete {path.name}"
    try:
        rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {mend}") from error
    try:
        return _patients(path, rows, scans, mend)
    except csv.Error as error:
        raise DataError(f"{path} line {rows.line_num} is damaged ({error}): {mend}") from error


def _patients(path: Path, rows: Any, scans: list[str], mend: str) -> dict[str, str]:
    headings = [heading.lower().replace(" ", "").replace("_", "") for heading in next(rows, [])]
    series = next((headings.index(name) for name in _SERIES_COLUMNS if name in headings), None)
    patient = next((headings.index(name) for name in _PATIENT_COLUMNS if name in headings), None)
    if series is None or patient is None:
        raise DataError(f"{path} has no columns seriesuid and patient_id: {mend}")
    table = {row[series].strip(): row[patient].strip() for row in rows if len(row) > max(series, patient)}
    missing = [scan for scan in scans if not table.get(scan)]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} of {len(scans)} scans (first: {missing[0]}): {mend}")
    return {scan: table[scan] for scan in scans}
