"""Are these Hounsfield units? Judged by where all values lie, not by the two extremes alone.

CT has its values in two places: air and lung, and soft tissue (with fat, blood and most bone). What lies elsewhere but
would lie there if a common mistake were undone, is not HU; the mistake that explains most is named. The thresholds,
and what real CT holds against them, are in ``docs/hounsfield.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypedDict

import numpy as np

from medbench.imaging.findings import Finding, Severity
from medbench.imaging.formats import Header
from medbench.imaging.volume import Volume, as_int16

_AIR: Final = (-1100, -500)  # HU: air and lung
_TISSUE: Final = (-200, 800)  # fat, water, organs, blood with contrast, spongy bone
_FEWEST_TISSUE: Final = 0.001  # share of voxels; cut-outs of 32 voxels a side of real CT hold 0.03 and more
_SOUND, _DOUBTFUL = 0.9, 0.75  # at home once a mistake is undone, and as it is: an error
_LIKELY, _BETTER = 0.8, 0.1  # at home once a mistake is undone, and by how much more: a warning
_PADDING: Final = 0.005  # share of voxels at the very lowest value from which they are padding (or cut-off air)
_BIN: Final = 16  # HU
_MISTAKES: Final[tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...]] = (
    ("air is at about 0, not -1000: was the rescale intercept (often -1024) left out?", lambda hu: hu - 1024),
    ("soft tissue is at about -1000, not 0: was the rescale applied twice?", lambda hu: hu + 1024),
    ("light and dark are exchanged: undo the inversion that made it", lambda hu: -hu),
    ("light and dark are exchanged: undo the inversion that made it", lambda hu: 3071 - hu),
    ("light and dark are exchanged: undo the inversion that made it", lambda hu: 2047 - hu),
)

_AIR_BELOW: Final = -200.0  # lung, air or fat: every CT field of view wider than one organ holds voxels below
# The narrowest first; a thousandth wider than their name, since interpolation reaches a little beyond.
_SCALED_RANGES: Final = {"0 to 1": (-0.001, 1.001), "-1 to 1": (-1.002, 1.002), "0 to 255": (-0.255, 255.255)}
_SMALLEST_RANGE: Final = 100.0  # HU; noise alone spans more in a clinical scan
_LOWEST, _HIGHEST = -2048.0, 20000.0  # HU; scanners pad with -2048, dense metal reads up to about 20000
_FEWEST_LEVELS: Final = 2000  # scanners store 4096
_FEW_VALUES, _MOST_LABELS = 32, 256  # integers from 0: so few are a label map whatever they look like
_FLAT: Final = 0.9  # share of voxels like their neighbour: regions, no noise

Told = tuple[Severity, str, str]


class Intensities(TypedDict):
    """What is known of a volume's values; strict JSON.

    ``stored_type`` is the voxels' type on disk (such as uint16) and ``scaled`` whether a slope or an intercept made HU
    of it. ``levels`` counts the different values, 0 where they are no integers; ``flat`` is the share of voxels equal
    to their neighbour along x. ``histogram`` lists (lowest HU of 16, share), without the padding.
    """

    min_hu: float
    max_hu: float
    stored_type: str
    scaled: bool
    levels: int
    flat: float
    histogram: list[list[float]]


def intensities(volume: Volume, *, header: Header | None = None) -> Intensities:
    """Measure a volume's values; ``header`` is that of its file, where it has one."""
    voxels = volume.voxels
    counts = np.zeros(2**16, dtype=np.int64)
    equal, before = 0, None
    for plane in voxels:  # plane by plane: nothing as large as the volume is allocated
        values = as_int16(plane)
        counts += np.bincount((values.astype(np.int32) + 2**15).ravel(), minlength=2**16)
        equal += 0 if before is None else int(np.count_nonzero(values == before))
        before = values
    steps = voxels.size - voxels[0].size
    return Intensities(
        min_hu=float(voxels.min()),
        max_hu=float(voxels.max()),
        stored_type=(header or voxels).dtype.name,
        scaled=header is not None and header.scaled,
        levels=int(np.count_nonzero(counts)) if voxels.dtype == np.int16 else 0,
        flat=round(equal / steps, 6) if steps else 1.0,
        histogram=_histogram(counts),
    )


def judge(known: Intensities) -> Iterator[Told]:
    """Yield severity, check and detail of what speaks against Hounsfield units."""
    refusal = _refusal(known)
    if refusal is not None:
        yield refusal
    else:
        yield from _doubts(known)
    stored = np.dtype(known["stored_type"])
    if stored.kind in "iu" and (levels := 256**stored.itemsize) < _FEWEST_LEVELS:
        yield "warning", "stored_type", f"stored as {stored}: its {levels} levels cannot hold CT: write int16"
    if known["min_hu"] < _LOWEST:
        mend = f"padding below {_LOWEST:g} HU: set it to -1000 (air)"
        yield "warning", "far_below", f"{_range(known)}: {mend}"
    if known["max_hu"] > _HIGHEST:
        yield "warning", "far_above", f"{_range(known)}: above {_HIGHEST:g} HU: metal, or not HU"


def intensity_findings(path: Path, volume: Volume, *, header: Header | None = None) -> list[Finding]:
    """Return what speaks against Hounsfield units in a file's volume."""
    return [Finding(severity, str(path), *told) for severity, *told in judge(intensities(volume, header=header))]


def _refusal(known: Intensities) -> Told | None:
    """Return why these cannot be HU, if they cannot."""
    low, high, found = known["min_hu"], known["max_hu"], _range(known)
    scaled = [
        name
        for name, (bottom, top) in _SCALED_RANGES.items()
        if bottom <= low and top / 4 <= max(-low, high) and high <= top
    ]
    few = 1 < known["levels"] <= _FEW_VALUES or (1 < known["levels"] <= _MOST_LABELS and known["flat"] >= _FLAT)
    if low == high:
        return "error", "constant", f"all voxels equal {low:g}: leave this volume out"
    if low >= 0 and few:
        mend = "put label maps into a folder of their own and name it with --masks (or --real-masks)"
        return "error", "label_map", f"{known['levels']} integer values from {low:g} to {high:g}, a label map: {mend}"
    if low >= _AIR_BELOW and scaled:
        mend = "undo the scaling with the window that made it"
        return "error", "not_hu", f"{found}: scaled to {scaled[0]}, not HU: {mend}"
    if high - low < _SMALLEST_RANGE:
        return "error", "not_hu", f"{found}: no CT in HU spans so little: undo the scaling that made it"
    values, shares = _values(known)
    mended, cause = _best_mended(values, shares)
    if _within(values, shares, _TISSUE) < _FEWEST_TISSUE:
        bottom, top = _TISSUE
        why = cause if mended >= _LIKELY else "undo the scaling that made it"
        return "error", "not_hu", f"{found}: nothing between {bottom} and {top} HU, and no CT lacks soft tissue: {why}"
    if mended >= _SOUND and (home := _at_home(values, shares)) <= _DOUBTFUL:
        return "error", "not_hu", f"{found}, and {1 - home:.0%} of them where CT has none: {cause}"
    return None


def _doubts(known: Intensities) -> Iterator[Told]:
    """Yield what makes HU doubtful."""
    values, shares = _values(known)
    home, (mended, cause) = _at_home(values, shares), _best_mended(values, shares)
    if mended >= _LIKELY and mended - home >= _BETTER:
        yield "warning", "doubtful_hu", f"{_range(known)}, and {1 - home:.0%} of them where CT has few: {cause}"
    elif known["min_hu"] >= 0:
        stored = np.dtype(known["stored_type"])
        unsigned = stored.kind == "u" and not known["scaled"]
        name, why = ("stored_type", f"; {stored} holds nothing else") if unsigned else ("offset", "")
        mend = "was the rescale intercept (often -1024) left out?"
        yield "warning", name, f"{_range(known)}: nothing is below water{why}: {mend}"


def _histogram(counts: np.ndarray) -> list[list[float]]:
    """Return (lowest HU of a bin, share) of what is no padding; ``counts`` begins at -32768 HU."""
    lowest, total = int(np.flatnonzero(counts)[0]), int(counts.sum())
    if _PADDING * total <= counts[lowest] < total:
        counts = counts.copy()
        counts[lowest] = 0
    bins = counts.reshape(-1, _BIN).sum(axis=1)
    return [[float(_BIN * bin - 2**15), round(float(bins[bin] / bins.sum()), 6)] for bin in np.flatnonzero(bins)]


def _values(known: Intensities) -> tuple[np.ndarray, np.ndarray]:
    lows, shares = np.array(known["histogram"], dtype=np.float64).T
    return lows + (_BIN - 1) / 2, shares


def _best_mended(values: np.ndarray, shares: np.ndarray) -> tuple[float, str]:
    """Return the share at home once the mistake is undone that explains most, and its name; the first of equals."""
    return max(((_at_home(undo(values), shares), cause) for cause, undo in _MISTAKES), key=lambda one: one[0])


def _at_home(values: np.ndarray, shares: np.ndarray) -> float:
    """Return the share of voxels that lie where CT has its values."""
    return _within(values, shares, _AIR) + _within(values, shares, _TISSUE)


def _within(values: np.ndarray, shares: np.ndarray, ends: tuple[int, int]) -> float:
    return float(shares[(values >= ends[0]) & (values < ends[1])].sum())


def _range(known: Intensities) -> str:
    return f"values run from {known['min_hu']:g} to {known['max_hu']:g}"
