"""A comparison as a CSV file and in words."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from leaderboard.comparison.compare import Row
from medbench.drawing.text import ABSENT
from medbench.storage.files import atomic_path


def p_words(p_value: float | None) -> str:
    """Return a p-value with three decimals: ``0.031``, ``<0.001``."""
    if p_value is None:
        return ABSENT
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write one line a row, the interval in the columns ``ci_low`` and ``ci_high``; whole or not at all.

    Args:
        path: the CSV file.
        rows: one or more.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        lines = [_flat(row) for row in rows]
        writer = csv.DictWriter(handle, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _flat(row: Row) -> dict[str, object]:
    fields = asdict(row)
    low, high = fields.pop("ci95") or (None, None)
    return {**fields, "ci_low": low, "ci_high": high}
