"""What the gate asks: are these volumes CT in Hounsfield units, each there once, on comparable grids, in one window?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

import numpy as np

from medbench.evaluation.gate.facts import Facts
from medbench.evaluation.gate.findings import ORDER, Finding, Severity, SideReport
from medbench.spec import Grid, Window

_AIR_BELOW = -200.0  # lung, air or fat: every CT field of view wider than one organ holds voxels below
# The narrowest first; a thousandth wider than their name, since interpolation reaches a little beyond.
_SCALED_RANGES = {"0 to 1": (-0.001, 1.001), "-1 to 1": (-1.002, 1.002), "0 to 255": (-0.255, 255.255)}
_SMALLEST_RANGE = 100.0  # HU; noise alone spans more in a clinical scan
_LOWEST, _HIGHEST = -2048.0, 20000.0  # HU; scanners pad with -2048, dense metal reads up to about 20000
_MANY_CONSTANT_SLICES = 0.25
_PLAUSIBLE_SPACING_MM = (0.1, 20.0)
_FEWEST_LEVELS = 2000  # scanners store 4096
_SAME_SPACING = 0.01  # share of the spacing
_Extreme = Literal["min_hu", "max_hu"]
_ENDS: Final[tuple[tuple[_Extreme, int, str, str], ...]] = (
    ("max_hu", 1, "end", "above"),
    ("min_hu", -1, "begin", "below"),
)
_CLIPPED_SHARE, _CLIPPED_FEWEST = 0.8, 3  # so many volumes that end at one value were clipped there


def check(
    *,
    real: SideReport,
    synthetic: SideReport,
    grid: Grid | None,
    window: Window | None = None,
    held_out: SideReport | None = None,
) -> list[Finding]:
    """Return all findings about a comparison, errors first.

    Args:
        real: facts about the real volumes.
        synthetic: facts about the synthetic volumes.
        grid: the canonical grid that both sides will be brought to; None if they are compared as they are.
        window: the protocol's; None if none is in force.
        held_out: facts about the real volumes that give the floor; None or empty where there are none.
    """
    findings = [
        Finding("error", side.name, "empty", f"the {side.name} side holds no volume: give its folder")
        for side in (real, synthetic)
        if not side.volumes
    ]
    for side in filter(None, (real, synthetic, held_out)):
        for file, known in side.volumes:
            findings += [Finding(severity, file, name, detail) for severity, name, detail in _volume_checks(known)]
        findings += _duplicates(side)
    findings += _copies(real, synthetic, "this synthetic volume is a copy")
    if held_out:
        findings += _copies(real, held_out, "it makes the floor too low: take it out of one of the two")
    findings += _grid_differences(real, synthetic, grid)
    if window is not None:
        findings += _window_differences(real, synthetic, window)
    return sorted(findings, key=lambda finding: ORDER.index(finding.severity))


def _volume_checks(known: Facts) -> Iterator[tuple[Severity, str, str]]:
    """Yield severity, check and detail of what is odd about one volume."""
    yield from _intensity_checks(known)
    plane, share = max(known["constant_slices"].items(), key=lambda item: item[1])
    if share > _MANY_CONSTANT_SLICES and known["min_hu"] < known["max_hu"]:
        yield "warning", "constant_slices", f"{share:.0%} of its {plane} slices are constant: crop the padding away"
    low, high = _PLAUSIBLE_SPACING_MM
    if not all(low <= spacing <= high for spacing in known["spacing_mm"]):
        spacing = _times(known["spacing_mm"])
        yield "warning", "spacing", f"a spacing of {spacing} mm is implausible for CT: check the header's units"
    if not known["orientation_stored"]:
        yield "warning", "orientation", "the file stores no orientation; left and right are assumed: write an sform"


def _intensity_checks(known: Facts) -> Iterator[tuple[Severity, str, str]]:
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
        name, why = ("stored_type", f"; {stored} holds nothing else") if unsigned else ("offset", "")
        mend = "was the rescale intercept (often -1024) left out?"
        yield "warning", name, f"{found}: nothing is below water{why}: {mend}"
    if stored.kind in "iu" and (levels := 256**stored.itemsize) < _FEWEST_LEVELS:
        yield "warning", "stored_type", f"stored as {stored}: its {levels} levels cannot hold CT: write int16"
    if low < _LOWEST:
        yield "warning", "far_below", f"{found}: padding below {_LOWEST:g} HU: set it to -1000 (air)"
    if high > _HIGHEST:
        yield "warning", "far_above", f"{found}: above {_HIGHEST:g} HU: metal, or not HU"


def _times(values: Iterable[float]) -> str:
    """Return sizes as ``512 x 512 x 256``."""
    return " x ".join(f"{value:.4g}" for value in values)


def _by_content(side: SideReport) -> Mapping[str, list[str]]:
    files: dict[str, list[str]] = defaultdict(list)
    for file, known in side.volumes:
        files[known["voxels_sha256"]].append(file)
    return files


def _duplicates(side: SideReport) -> Iterator[Finding]:
    """Yield a finding for each volume that a side holds more than once."""
    for first, *others in _by_content(side).values():
        if others:
            which = others[0] + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            detail = f"the same voxels as {which}: duplicates bias every number: keep one of them"
            yield Finding("warning", first, "duplicate", detail)


def _copies(real: SideReport, other: SideReport, meaning: str) -> Iterator[Finding]:
    """Yield a finding for each volume of the other side that the real side holds too."""
    originals = _by_content(real)
    for content, files in _by_content(other).items():
        if content in originals:
            detail = f"the same voxels as the real {originals[content][0]}: {meaning}"
            yield Finding("warning", files[0], "copy", detail)


def _grid_differences(real: SideReport, synthetic: SideReport, grid: Grid | None) -> Iterator[Finding]:
    """Yield a finding for each way in which shapes or spacings differ within or between the sides."""
    for what, show in _GRID_MEASURES.items():
        uneven = False
        for side in (real, synthetic):
            odd = [entry for entry in side.volumes if not _alike(what, entry[1], side.volumes[0][1])]
            if odd:
                uneven = True
                summary = f"{len(odd)} of {len(side.volumes)} {side.name} volumes differ in {what}"
                yield _grid_finding(summary, odd[0], side.volumes[0], show, grid)
        if real.volumes and synthetic.volumes and not uneven:
            ours, theirs = synthetic.volumes[0], real.volumes[0]
            if not _alike(what, ours[1], theirs[1]):
                # A generator that stores no spacing would be resampled by a wrong one, all its volumes alike.
                misleads = what == "spacing" and grid is not None and grid.spacing_mm is not None
                summary = f"real and synthetic volumes differ in {what}"
                yield _grid_finding(summary, ours, theirs, show, grid, known="warning" if misleads else "note")


def _alike(what: str, a: Facts, b: Facts) -> bool:
    if what == "shape":
        return a["shape"] == b["shape"]
    return bool(np.allclose(a["spacing_mm"], b["spacing_mm"], rtol=_SAME_SPACING, atol=0))


def _grid_finding(
    summary: str,
    entry: tuple[str, Facts],
    other: tuple[str, Facts],
    show: Callable[[Facts], str],
    grid: Grid | None,
    known: Severity = "note",
) -> Finding:
    found = f"{summary}: {show(entry[1])} here, {show(other[1])} in {other[0]}"
    if grid is None:
        mend = "give --shape, or a protocol or data set with a canonical grid"
        return Finding("error", entry[0], "grid", f"{found}: {mend}")
    outcome = "both are brought to the canonical grid" if grid.fit in ("resize", "crop_pad") else "the grid allows it"
    return Finding(known, entry[0], "grid", f"{found}: {outcome}")


_GRID_MEASURES: dict[str, Callable[[Facts], str]] = {
    "shape": lambda facts: _times(facts["shape"]),
    "spacing": lambda facts: f"{_times(facts['spacing_mm'])} mm",
}


def _window_differences(real: SideReport, synthetic: SideReport, window: Window) -> Iterator[Finding]:
    """Yield a finding for each end at which one side was clipped inside the window and the other reaches further.

    Scanners end at other values from volume to volume; many volumes with the very same extreme were clipped.
    """
    for clipped, other in ((synthetic, real), (real, synthetic)):
        for extreme, sign, where, beyond in _ENDS:
            end, edge = _clipped_at(clipped, extreme), window.high if sign > 0 else window.low
            if end is None or sign * end >= sign * edge:
                continue
            if any(sign * known[extreme] > sign * end for _, known in other.volumes):
                detail = (
                    f"{clipped.name} volumes {where} at {end:g} HU, {other.name} ones go on {beyond}, inside the "
                    f"protocol's window {window.low:g} to {window.high:g}: clip both sides alike, or narrow the "
                    "protocol's window"
                )
                yield Finding("warning", clipped.volumes[0][0], "window", detail)


def _clipped_at(side: SideReport, extreme: _Extreme) -> float | None:
    if not side.volumes:
        return None
    [(value, count)] = Counter(known[extreme] for _, known in side.volumes).most_common(1)
    return value if count >= max(_CLIPPED_FEWEST, _CLIPPED_SHARE * len(side.volumes)) else None
