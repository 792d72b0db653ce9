"""Rows of ``medbench data verify``: what was looked at, whether it holds, what to do if not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from medbench.datasets.base import Check
from medbench.errors import DataError, MedbenchError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import read_header
from medbench.imaging.hounsfield import intensity_findings
from medbench.imaging.masks import read_mask
from medbench.imaging.volume import Volume

_FAULTS_SHOWN = 20


def row(check: str, ok: bool, detail: str, mend: str = "") -> Check:
    """Return one row; ``mend`` is empty where all is well."""
    return {"check": check, "ok": ok, "detail": detail, "mend": "" if ok else mend}


def failure(check: str, error: MedbenchError) -> Check:
    """Return the row of an error, whose message ends in its mend."""
    detail, _, mend = str(error).rpartition(": ")
    return row(check, False, detail or mend, mend)


def headers_are_sound(paths: Iterable[Path]) -> bool:
    """Return whether every header can be read; no voxel is."""
    try:
        for path in paths:
            read_header(path)
    except DataError:
        return False
    return True


def volume_rows(masks: Mapping[Path, Path | None]) -> list[Check]:
    """Read every volume and mask to its last voxel: whole, in HU, the mask on its volume's grid.

    Args:
        masks: mask by volume, None where it has none.

    Returns:
        One row for all volumes and one for all masks, then a row for each of the first 20 faults.
    """
    faults: list[Check] = []
    damaged = bad_masks = 0
    for path, mask in masks.items():
        if fault := _fault(path):
            damaged += 1
            faults.append(fault)
        elif mask and (fault := _mask_fault(mask, path)):
            bad_masks += 1
            faults.append(fault)
    sound = f"{len(masks) - damaged} of {len(masks)} are sound"
    rows = [row("volumes", not damaged, f"{sound} (read to the last voxel)", "see the rows below")]
    if seen := sum(mask is not None for mask in masks.values()):
        fitting = f"{seen - bad_masks} of {seen} are sound and on their volume's grid"
        rows.append(row("masks", not bad_masks, fitting, "see the rows below"))
    return rows + faults[:_FAULTS_SHOWN]


def passed_over_rows(findings: Iterable[Finding]) -> list[Check]:
    """Return a row for each reason for which files are no volumes; they are no fault."""
    by_reason: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_reason[finding.detail].append(finding)
    return [row("passed over", True, f"{same[0].file}: {detail}") for detail, same in by_reason.items()]


def _fault(path: Path) -> Check | None:
    try:
        volume = Volume.read(path)
        wrong = next((one for one in intensity_findings(path, volume) if one.severity == "error"), None)
    except DataError as error:
        return failure(path.name, error)
    if wrong is None:
        return None
    detail, _, mend = wrong.detail.rpartition(": ")
    return row(path.name, False, detail or mend, mend)


def _mask_fault(mask: Path, path: Path) -> Check | None:
    try:
        read_mask(mask, path, None)
    except DataError as error:
        return failure(str(mask), error)
    return None
