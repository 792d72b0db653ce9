"""Do the slices of a scan lie evenly? Positions are often rounded; missing and doubled slices are no rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.findings import Finding
from medbench.imaging.formats.dicom.objects import Frame

_UNEVEN = 0.05  # share of the step; a missing slice deviates by 1.0
_ROUNDED_MM, _ROUNDED = 0.055, 0.25  # positions written with one decimal, and never more than this share of the step
_EXACT_MM = 0.005  # positions written with two decimals or more
_SAME_PLACE = 0.01  # share of the usual distance


@dataclass(frozen=True)
class Line:
    """The even line on which slices lie (LPS, mm): its start, its step, and what was tolerated."""

    start: np.ndarray
    step: np.ndarray
    findings: tuple[Finding, ...]


def even_line(path: Path, frames: Sequence[Frame], normal: np.ndarray) -> Line:
    """Fit an even line to slices; its step leaves the normal where the gantry was tilted.

    Args:
        path: the scan, for messages.
        frames: with positions, sorted along ``normal``.
        normal: of the slices.

    Raises:
        GeometryError: slices are missing, doubled or unevenly spaced.
    """
    places = np.array([frame.position for frame in frames], dtype=np.float64)
    heights = places @ normal
    index = np.arange(len(places)) - (len(places) - 1) / 2
    step = index @ (places - places.mean(axis=0)) / (index @ index)
    start = places.mean(axis=0) + index[0] * step
    distances = np.diff(heights)
    usual = float(np.median(distances))
    _refuse_doubled(path, distances, usual)
    even = float(step @ normal)
    off = float(np.abs(heights - (start @ normal + even * np.arange(len(places)))).max())
    tolerated = max(_UNEVEN * even, min(_ROUNDED_MM, _ROUNDED * even))
    if off > tolerated and np.any(np.abs(distances - usual) > _UNEVEN * usual):
        raise _uneven(path, distances, usual, [frame.number for frame in frames])
    if np.abs(distances - even).max() <= _EXACT_MM:
        return Line(start, step, ())
    nominal = frames[0].step
    if nominal and abs(nominal - even) * len(distances) <= 2 * _ROUNDED_MM:  # as good a fit, and it was not rounded
        step, even = step * nominal / even, nominal
        start = places.mean(axis=0) + index[0] * step
    told = f"its slice positions are rounded (up to {off:.3f} mm off): an even step of {even:.4g} mm is taken"
    return Line(start, step, (Finding("note", str(path), "positions", told),))


def _refuse_doubled(path: Path, distances: np.ndarray, usual: float) -> None:
    doubled = np.abs(distances) <= _SAME_PLACE * max(abs(usual), float(distances.max()))
    if not np.any(doubled):
        return
    runs = Counter(np.diff(np.flatnonzero(np.r_[True, ~doubled, True])).tolist())
    if len(runs) == 1 and (times := next(iter(runs))) > 1:
        raise GeometryError(
            f"{path}: {times} slices at each of {runs[times]} places, several volumes (phases) in one series: "
            "split it, one volume a folder"
        )
    raise GeometryError(
        f"{path}: slices are doubled: two at the place of slice {int(np.argmax(doubled)) + 1} of "
        f"{len(distances) + 1}: export the series again"
    )


def _uneven(path: Path, distances: np.ndarray, usual: float, numbers: Sequence[int | None]) -> GeometryError:
    known = [number for number in numbers if number is not None]
    at = int(np.argmax(np.abs(distances - usual) > _UNEVEN * usual))
    if len(known) == len(numbers) and set(np.abs(np.diff(known)).tolist()) == {1}:
        return GeometryError(
            f"{path}: slices lie {distances.min():.3f} to {distances.max():.3f} mm apart and none is missing (their "
            "numbers run on): resample the scan to one distance, or leave it out"
        )
    return GeometryError(
        f"{path}: slices are missing or unevenly spaced: {distances[at]:.3f} mm after slice {at + 1} of "
        f"{len(distances) + 1}, usually {usual:.3f} mm: export the series complete"
    )
