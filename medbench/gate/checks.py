"""What the gate asks of each volume by itself: are these voxels CT in Hounsfield units?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from medbench.gate.facts import Facts
from medbench.gate.findings import Severity

_AIR_BELOW = -200.0  # lung, air or fat: every CT field of view wider than one organ holds voxels below
# The narrowest first; a thousandth wider than their name, since interpolation reaches a little beyond.
_SCALED_RANGES = {"0 to 1": (-0.001, 1.001), "-1 to 1": (-1.002, 1.002), "0 to 255": (-0.255, 255.255)}
_SMALLEST_RANGE = 100.0  # HU; noise alone spans more in a clinical scan
_LOWEST, _HIGHEST = -2048.0, 20000.0  # HU; scanners pad with -2048, dense metal reads up to about 20000
_MANY_CONSTANT_SLICES = 0.25
_PLAUSIBLE_SPACING_MM = (0.1, 20.0)
_FEWEST_LEVELS = 2000  # scanners store 4096

_Check = tuple[Severity, str, str]


def volume_checks(known: Facts) -> Iterator[_Check]:
    """Yield severity, check and detail of what is odd about one volume."""
    yield from _intensity_checks(known)
    plane, share = max(known["constant_slices"].items(), key=lambda item: item[1])
    if share > _MANY_CONSTANT_SLICES and known["min_hu"] < known["max_hu"]:
        yield "warning", "constant_slices", f"{share:.0%} of its {plane} slices are constant: crop the padding away"
    low, high = _PLAUSIBLE_SPACING_MM
    if not all(low <= spacing <= high for spacing in known["spacing_mm"]):
        spacing = times(known["spacing_mm"])
        yield "warning", "spacing", f"a spacing of {spacing} mm is implausible for CT: check the header's units"
    if not known["orientation_stored"]:
        yield "warning", "orientation", "the file stores no orientation; left and right are assumed: write an sform"


def _intensity_checks(known: Facts) -> Iterator[_Check]:
    low, high, stored = known["min_hu"], known["max_hu"], np.dtype(known["stored_type"])
    found = f"values run from {low:g} to {high:g}"
    scaled = [
        name
        for name, (bottom, top) in _SCALED_RANGES.items()
        if bottom <= low and top / 4 <= max(-low, high) and high <= top
    ]
    if low == high:
        yield "error", "constant", f"all voxels equal {low:g}: leave this volume out"
    elif low >= _AIR_BELOW and scaled:
        mend = "undo the scaling with the window that made it"
        yield "error", "not_hu", f"{found}: scaled to {scaled[0]}, not HU: {mend}"
    elif high - low < _SMALLEST_RANGE:
        yield "error", "not_hu", f"{found}: no CT in HU spans so little: undo the scaling that made it"
    elif low >= 0:
        unsigned = stored.kind == "u" and not known["scaled"]
        check, why = ("stored_type", f"; {stored} holds nothing else") if unsigned else ("offset", "")
        mend = "was the rescale intercept (often -1024) left out?"
        yield "warning", check, f"{found}: nothing is below water{why}: {mend}"
    if stored.kind in "iu" and (levels := 256**stored.itemsize) < _FEWEST_LEVELS:
        yield "warning", "stored_type", f"stored as {stored}: its {levels} levels cannot hold CT: write int16"
    if low < _LOWEST:
        yield "warning", "far_below", f"{found}: padding below {_LOWEST:g} HU: set it to -1000 (air)"
    if high > _HIGHEST:
        yield "warning", "far_above", f"{found}: above {_HIGHEST:g} HU: metal, or not HU"


def times(values: Iterable[float]) -> str:
    """Return sizes as ``512 x 512 x 256``."""
    return " x ".join(f"{value:.4g}" for value in values)
