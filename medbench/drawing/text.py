"""Numbers and labels in words: pure functions from values to short text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

ABSENT: Final = "-"
"""Stands where there is no number; whoever prints it adds a footnote with the reason."""

ARROWS: Final[Mapping[str, str]] = {"lower": "↓", "higher": "↑"}
"""The better direction."""

_PLANES: Final = {"xy": "axial (xy)", "yz": "sagittal (yz)", "zx": "coronal (zx)"}


def number(value: float | None) -> str:
    """Return a number with three significant digits (whole numbers are never cut): ``3.10``, ``0.0123``, ``25769``."""
    if value is None:
        return ABSENT
    if isinstance(value, int):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4 or size >= 1e7:
        return f"{value:.2e}"
    digits = 2 - math.floor(math.log10(float(f"{size:.2e}")))
    return f"{value:.{max(digits, 0)}f}"


def interval(ends: tuple[float, float] | None) -> str:
    """Return both ends of an interval: ``[2.70, 3.60]``."""
    return ABSENT if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"


def gib(size_bytes: int | None) -> str:
    """Return bytes as GiB: ``24.0 GiB``."""
    return ABSENT if size_bytes is None else f"{number(size_bytes / 2**30)} GiB"


def seconds(duration: float | None) -> str:
    """Return a duration (s) in the units a person would say: ``12.3 s``, ``2 min 5 s``, ``3 h 12 min``."""
    if duration is None:
        return ABSENT
    if duration < 59.95:
        return f"{number(float(duration))} s"
    whole = round(duration)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(duration / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def moment(timestamp: float) -> str:
    """Return a Unix time as date and time in UTC: ``2026-01-31 14:05 UTC``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


def label(name: str) -> str:
    """Return a key as words: ``heart_ventricle_left`` becomes ``heart ventricle left``, ``xy`` ``axial (xy)``."""
    return _PLANES.get(name, name.replace("_", " "))


def direction(better: Literal["lower", "higher"]) -> str:
    """Return the arrow and the words for the better direction."""
    return f"{ARROWS[better]} {better} is better"
