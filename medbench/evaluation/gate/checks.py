"""What the gate asks: are these volumes CT in Hounsfield units, each there once, on comparable grids, in one window?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import numpy as np

from medbench.evaluation.gate.facts import Facts
from medbench.evaluation.gate.findings import ORDER, SideReport
from medbench.evaluation.gate.grids import grid_differences, times
from medbench.imaging.findings import Finding, Severity
from medbench.imaging.formats.geometry import shear_degrees
from medbench.imaging.hounsfield import judge
from medbench.spec import Grid, Window

_MANY_CONSTANT_SLICES = 0.25
_PLAUSIBLE_SPACING_MM = (0.1, 20.0)
_SQUARE_DEGREES = 0.5  # orientations are stored with six digits; a tilt is of several degrees
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
    noticed: Iterable[Finding] = (),
) -> list[Finding]:
    """Return all findings about a comparison, errors first.

    Args:
        real: facts about the real volumes.
        synthetic: facts about the synthetic volumes.
        grid: the canonical grid that both sides will be brought to; None if they are compared as they are.
        window: the protocol's; None if none is in force.
        held_out: facts about the real volumes that give the floor; None or empty where there are none.
        noticed: what was noticed where the volumes were found: files that are not read, masks.
    """
    findings = [
        *noticed,
        *(
            Finding("error", side.name, "empty", f"the {side.name} side holds no volume: give its folder")
            for side in (real, synthetic)
            if not side.volumes
        ),
    ]
    for side in filter(None, (real, synthetic, held_out)):
        for file, known in side.volumes:
            findings += [Finding(severity, file, name, detail) for severity, name, detail in _volume_checks(known)]
        findings += _duplicates(side)
    findings += _copies(real, synthetic, "this synthetic volume is a copy")
    if held_out:
        findings += _copies(real, held_out, "it makes the floor too low: take it out of one of the two")
    findings += grid_differences(real, synthetic, grid)
    if window is not None:
        findings += _window_differences(real, synthetic, window)
    return sorted(findings, key=lambda finding: ORDER.index(finding.severity))


def _volume_checks(known: Facts) -> Iterator[tuple[Severity, str, str]]:
    """Yield severity, check and detail of what is odd about one volume."""
    yield from judge(known)
    plane, share = max(known["constant_slices"].items(), key=lambda item: item[1])
    if share > _MANY_CONSTANT_SLICES and known["min_hu"] < known["max_hu"]:
        yield "warning", "constant_slices", f"{share:.0%} of its {plane} slices are constant: crop the padding away"
    low, high = _PLAUSIBLE_SPACING_MM
    if not all(low <= spacing <= high for spacing in known["spacing_mm"]):
        spacing = times(known["spacing_mm"])
        yield "warning", "spacing", f"a spacing of {spacing} mm is implausible for CT: check the header's units"
    if (degrees := shear_degrees(np.array(known["stored_affine"]))) > _SQUARE_DEGREES:
        told = f"its grid is sheared by {degrees:.1f} degrees (a tilted gantry?) and resampled as if it were square"
        yield "warning", "shear", f"{told}: straighten it (dcm2niix writes such a copy)"
    if not known["orientation_stored"]:
        yield "warning", "orientation", "the file stores no orientation; left and right are assumed: write an sform"


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
