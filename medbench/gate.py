"""The gate before every metric: are these volumes CT in Hounsfield units, on comparable grids, each one only once?

Facts about a volume are measured once (and may be cached as JSON by the file's hash); judging them is a pure function.
Nothing is rescaled or guessed here: what cannot be HU is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from medbench.errors import DataError, GeometryError, IntensityError
from medbench.formats import Header, read_header
from medbench.spec import Grid
from medbench.volume import Volume

FACTS_VERSION = "2"

Severity = Literal["error", "warning", "note"]

_AIR_BELOW = -200.0  # lung, air or fat: every CT field of view wider than one organ holds voxels below
# The narrowest first; a thousandth wider than their name, since interpolation reaches a little beyond.
_SCALED_RANGES = {"0 to 1": (-0.001, 1.001), "-1 to 1": (-1.002, 1.002), "0 to 255": (-0.255, 255.255)}
_SMALLEST_RANGE = 100.0  # HU; noise alone spans more in a clinical scan
_LOWEST, _HIGHEST = -2048.0, 20000.0  # HU; scanners pad with -2048, dense metal reads up to about 20000
_MANY_CONSTANT_SLICES = 0.25
_PLAUSIBLE_SPACING_MM = (0.1, 20.0)
_SAME_SPACING = 0.01  # share of the spacing
_FEWEST_LEVELS = 2000  # scanners store 4096


class Facts(TypedDict):
    """What the gate knows of a volume; strict JSON.

    ``constant_slices`` is the share of slices of each plane whose voxels are all equal; ``voxels_sha256`` leaves out
    the affine, so that a copy with another header is still a copy; ``stored_type`` is the voxels' type on disk (such
    as uint16) and ``scaled`` whether a slope or an intercept made HU of it.
    """

    shape: list[int]
    spacing_mm: list[float]
    min_hu: float
    max_hu: float
    constant_slices: dict[str, float]
    voxels_sha256: str
    orientation_stored: bool
    stored_type: str
    scaled: bool


@dataclass(frozen=True)
class Finding:
    """One thing that the gate noticed.

    Args:
        severity: "error" where a number would be meaningless, "warning" where it may mislead, "note" otherwise.
        file: the volume (or the side) it is about.
        check: name of the check.
        detail: what is wrong, and how to mend it.
    """

    severity: Severity
    file: str
    check: str
    detail: str


@dataclass(frozen=True)
class SideReport:
    """The facts about one side of a comparison.

    Args:
        name: "real", "synthetic" or "held-out".
        volumes: file (or case) and facts, in the side's order.
    """

    name: str
    volumes: tuple[tuple[str, Facts], ...]


def facts(volume: Volume, *, header: Header | None = None) -> Facts:
    """Measure what the gate must know of a volume (in HU), and of the header of its file, where it has one.

    Raises:
        IntensityError: NaN or infinite voxels (files that hold them are refused when they are read).
    """
    voxels = volume.voxels
    low_yz, high_yz = voxels.min(axis=0), voxels.max(axis=0)  # (y, z)
    if not (np.all(np.isfinite(low_yz)) and np.all(np.isfinite(high_yz))):
        raise IntensityError("a volume holds NaN or infinite voxels: correct what made it")
    constant = {
        "xy": low_yz.min(axis=0) == high_yz.max(axis=0),
        "yz": voxels.min(axis=(1, 2)) == voxels.max(axis=(1, 2)),
        "zx": low_yz.min(axis=1) == high_yz.max(axis=1),
    }
    return Facts(
        shape=list(volume.shape),
        spacing_mm=[round(spacing, 6) for spacing in volume.spacing_mm],
        min_hu=float(low_yz.min()),
        max_hu=float(high_yz.max()),
        constant_slices={plane: float(np.mean(slices)) for plane, slices in constant.items()},
        voxels_sha256=Volume(voxels).content_hash(),
        orientation_stored=header is None or header.orientation_stored,
        stored_type=(header or volume.voxels).dtype.name,
        scaled=header is not None and header.scaled,
    )


def file_facts(path: Path) -> Facts:
    """Read a volume and measure it.

    Raises:
        DataError: the file cannot be read as a volume.
    """
    return facts(Volume.read(path), header=read_header(path))


def judge(
    *, real: SideReport, synthetic: SideReport, grid: Grid | None, held_out: SideReport | None = None
) -> list[Finding]:
    """Return all findings about a comparison, errors first.

    Args:
        real: facts about the real volumes.
        synthetic: facts about the synthetic volumes.
        grid: the canonical grid that both sides will be brought to; None if they are compared as they are.
        held_out: facts about the real volumes that give the floor; None or empty where there are none.
    """
    findings: list[Finding] = []
    for side in (real, synthetic):
        if not side.volumes:
            detail = f"the {side.name} side holds no volume: give its folder"
            findings.append(Finding("error", side.name, "empty", detail))
    for side in filter(None, (real, synthetic, held_out)):
        for file, known in side.volumes:
            findings += [Finding(severity, file, check, detail) for severity, check, detail in _volume_checks(known)]
        findings += _duplicates(side)
    findings += _copies(real, synthetic, "this synthetic volume is a copy")
    if held_out:
        findings += _copies(real, held_out, "it makes the floor too low: take it out of one of the two")
    findings += _grid_differences(real, synthetic, grid)
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))


def rows(findings: Iterable[Finding]) -> list[dict[str, str | int]]:
    """Return a table with one row for each severity and check, for ``pandas.DataFrame`` or a terminal.

    Returns:
        Rows with the keys severity, check, files (how many), example (the first file) and detail (about it).
    """
    grouped: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        grouped[finding.severity, finding.check].append(finding)
    return [
        {"severity": severity, "check": check, "files": len(same), "example": same[0].file, "detail": same[0].detail}
        for (severity, check), same in grouped.items()
    ]


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Refuse to go on where a number would be meaningless.

    Raises:
        IntensityError: a volume that cannot be in HU, or is constant.
        GeometryError: grids that differ where no canonical grid is given.
        DataError: a side without volumes.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more such findings)" if len(errors) > 1 else ""
        raise _ERRORS[first.check](f"{first.file}: {first.detail}{more}")


_ORDER: tuple[Severity, ...] = ("error", "warning", "note")
_ERRORS: dict[str, type[DataError]] = {
    "empty": DataError,
    "constant": IntensityError,
    "not_hu": IntensityError,
    "grid": GeometryError,
}
_Check = tuple[Severity, str, str]


def _volume_checks(known: Facts) -> Iterator[_Check]:
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


def _by_content(side: SideReport) -> Mapping[str, list[str]]:
    files: dict[str, list[str]] = defaultdict(list)
    for file, known in side.volumes:
        files[known["voxels_sha256"]].append(file)
    return files


def _duplicates(side: SideReport) -> Iterator[Finding]:
    for first, *others in _by_content(side).values():
        if others:
            which = others[0] + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            detail = f"the same voxels as {which}: duplicates bias every number: keep one of them"
            yield Finding("warning", first, "duplicate", detail)


def _copies(real: SideReport, other: SideReport, meaning: str) -> Iterator[Finding]:
    originals = _by_content(real)
    for content, files in _by_content(other).items():
        if content in originals:
            detail = f"the same voxels as the real {originals[content][0]}: {meaning}"
            yield Finding("warning", files[0], "copy", detail)


def _grid_differences(real: SideReport, synthetic: SideReport, grid: Grid | None) -> Iterator[Finding]:
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
        return Finding("error", entry[0], "grid", f"{found}: give a protocol or data set with a canonical grid")
    return Finding(known, entry[0], "grid", f"{found}: both are brought to the canonical grid")


def _times(values: Iterable[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


_GRID_MEASURES: dict[str, Callable[[Facts], str]] = {
    "shape": lambda facts: _times(facts["shape"]),
    "spacing": lambda facts: f"{_times(facts['spacing_mm'])} mm",
}
