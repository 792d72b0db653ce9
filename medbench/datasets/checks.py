"""Rows of ``medbench data verify``: what was looked at, whether it holds, what to do if not. Only headers are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medbench.datasets.base import Check
from medbench.errors import DataError, MedbenchError
from medbench.imaging.formats import read_header
from medbench.imaging.formats.geometry import same_grid

_FAULTS_SHOWN = 20


def row(check: str, ok: bool, detail: str, mend: str = "") -> Check:
    """Return one row; ``mend`` is empty where all is well."""
    return {"check": check, "ok": ok, "detail": detail, "mend": "" if ok else mend}


def failure(check: str, error: MedbenchError) -> Check:
    """Return the row of an error, whose message ends in its mend."""
    detail, _, mend = str(error).rpartition(": ")
    return row(check, False, detail or mend, mend)


def header_rows(masks: Mapping[Path, Path | None]) -> list[Check]:
    """Check every volume's header and, where it has a mask, that both have one grid.

    Args:
        masks: mask by volume, None where it has none.

    Returns:
        One row for all headers and one for all masks, then a row for each of the first 20 faults.
    """
    faults: list[Check] = []
    damaged = bad_masks = 0
    for path, mask in masks.items():
        try:
            header = read_header(path)
            fits = mask is None or same_grid(read_header(mask), header)
        except DataError as error:
            damaged += 1
            faults.append(failure(path.name, error))
            continue
        if not fits:
            bad_masks += 1
            faults.append(row(str(mask), False, f"not on the grid of {path}", "resample the mask to its volume"))
    rows = [row("headers", not damaged, f"{len(masks) - damaged} of {len(masks)} are sound", "see the rows below")]
    if seen := sum(mask is not None for mask in masks.values()):
        fitting = f"{seen - bad_masks} of {seen} are on their volume's grid"
        rows.append(row("masks", not bad_masks, fitting, "see the rows below"))
    return rows + faults[:_FAULTS_SHOWN]
