"""What the gate asks of a comparison: is each volume there once, on comparable grids, in one window?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np

from medbench.gate.checks import times
from medbench.gate.facts import Facts
from medbench.gate.findings import Finding, Severity, SideReport
from medbench.spec import Grid, Window

_SAME_SPACING = 0.01  # share of the spacing
_CLIPPED_SHARE, _CLIPPED_FEWEST = 0.8, 3  # so many volumes that end at one value were clipped there


def _by_content(side: SideReport) -> Mapping[str, list[str]]:
    files: dict[str, list[str]] = defaultdict(list)
    for file, known in side.volumes:
        files[known["voxels_sha256"]].append(file)
    return files


def duplicates(side: SideReport) -> Iterator[Finding]:
    """Yield a finding for each volume that a side holds more than once."""
    for first, *others in _by_content(side).values():
        if others:
            which = others[0] + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            detail = f"the same voxels as {which}: duplicates bias every number: keep one of them"
            yield Finding("warning", first, "duplicate", detail)


def copies(real: SideReport, other: SideReport, meaning: str) -> Iterator[Finding]:
    """Yield a finding for each volume of the other side that the real side holds too."""
    originals = _by_content(real)
    for content, files in _by_content(other).items():
        if content in originals:
            detail = f"the same voxels as the real {originals[content][0]}: {meaning}"
            yield Finding("warning", files[0], "copy", detail)


def grid_differences(real: SideReport, synthetic: SideReport, grid: Grid | None) -> Iterator[Finding]:
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
    "shape": lambda facts: times(facts["shape"]),
    "spacing": lambda facts: f"{times(facts['spacing_mm'])} mm",
}


def window_differences(real: SideReport, synthetic: SideReport, window: Window) -> Iterator[Finding]:
    """Yield a finding for each end at which one side was clipped inside the window and the other reaches further.

    Scanners end at other values from volume to volume; many volumes with the very same extreme were clipped.
    """
    for clipped, other in ((synthetic, real), (real, synthetic)):
        top, bottom = _clipped_at(clipped, "max_hu"), _clipped_at(clipped, "min_hu")
        if top is not None and top < window.high and any(known["max_hu"] > top for _, known in other.volumes):
            yield _window_finding(clipped, other, f"end at {top:g} HU", "above", window)
        if bottom is not None and bottom > window.low and any(known["min_hu"] < bottom for _, known in other.volumes):
            yield _window_finding(clipped, other, f"begin at {bottom:g} HU", "below", window)


def _clipped_at(side: SideReport, extreme: Literal["min_hu", "max_hu"]) -> float | None:
    if not side.volumes:
        return None
    [(value, count)] = Counter(known[extreme] for _, known in side.volumes).most_common(1)
    return value if count >= max(_CLIPPED_FEWEST, _CLIPPED_SHARE * len(side.volumes)) else None


def _window_finding(clipped: SideReport, other: SideReport, where: str, beyond: str, window: Window) -> Finding:
    detail = (
        f"{clipped.name} volumes {where}, {other.name} ones go on {beyond}, inside the protocol's window "
        f"{window.low:g} to {window.high:g}: clip both sides alike, or narrow the protocol's window"
    )
    return Finding("warning", clipped.volumes[0][0], "window", detail)
