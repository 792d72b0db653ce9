"""Rows of ``medbench data verify``: what was looked at, whether it holds, what to do if not. Only headers are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def header_rows(volumes: Iterable[Path], masks: Mapping[Path, Path] | None = None) -> list[Check]:
    """Check every volume's header and, where it has a mask, that both have one grid.

    Args:
        volumes: the volumes.
        masks: mask by volume.

    Returns:
        One row for all headers and one for all masks, then a row for each of the first 20 faults.
    """
    masks = masks or {}
    faults: list[Check] = []
    seen = seen_masks = bad_masks = 0
    for path in volumes:
        seen += 1
        mask = masks.get(path)
        seen_masks += mask is not None
        try:
            header = read_header(path)
            fits = mask is None or same_grid(read_header(mask), header)
        except DataError as error:
            faults.append(failure(path.name, error))
            continue
        if not fits:
            bad_masks += 1
            faults.append(row(str(mask), False, f"not on the grid of {path}", "resample the mask to its volume"))
    damaged = len(faults) - bad_masks
    rows = [row("headers", not damaged, f"{seen - damaged} of {seen} are sound", "see the rows below")]
    if seen_masks:
        fitting = f"{seen_masks - bad_masks} of {seen_masks} are on their volume's grid"
        rows.append(row("masks", not bad_masks, fitting, "see the rows below"))
    return rows + faults[:_FAULTS_SHOWN]
