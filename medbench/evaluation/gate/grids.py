"""What the gate asks of grids: are those of both sides comparable, and do the files say where their voxels lie?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from medbench.evaluation.gate.facts import Facts
from medbench.evaluation.gate.findings import SideReport
from medbench.imaging.findings import Finding, Severity
from medbench.imaging.formats.geometry import axes_of
from medbench.imaging.grid import stretch
from medbench.spec import Grid

_SAME_SPACING = 0.01  # share of the spacing
_MOST_STRETCH = 4.0  # voxels out of one: 5 mm slices to 1 mm are more interpolation than measurement


def grid_differences(real: SideReport, synthetic: SideReport, grid: Grid | None) -> Iterator[Finding]:
    """Yield a finding for each way in which grids differ within or between the sides, or are no volume's own."""
    yield from _measures(real, synthetic, grid)
    if real.volumes and synthetic.volumes:
        yield from _exchanged_axes(real, synthetic)
        yield from _placeholders(synthetic, real)
        yield from _placeholders(real, synthetic)
    if grid is not None:
        for side in (real, synthetic):
            yield from _stretched(side, grid)


def times(values: Iterable[float]) -> str:
    """Return sizes as ``512 x 512 x 256``."""
    return " x ".join(f"{value:.4g}" for value in values)


def _measures(real: SideReport, synthetic: SideReport, grid: Grid | None) -> Iterator[Finding]:
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
    return same_spacing(a["spacing_mm"], b["spacing_mm"])


def same_spacing(a: Sequence[float], b: Sequence[float]) -> bool:
    """Say whether two spacings are one but for rounding."""
    return bool(np.allclose(a, b, rtol=_SAME_SPACING, atol=0))


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


def _exchanged_axes(real: SideReport, synthetic: SideReport) -> Iterator[Finding]:
    ours, theirs = (side.volumes[0][1]["shape"] for side in (synthetic, real))
    if ours != theirs and sorted(ours) == sorted(theirs):
        detail = (
            f"the shape {times(ours)} is the real {times(theirs)} with its axes exchanged: is this array (z, y, x)? "
            "Turn it to (x, y, z) before saving"
        )
        yield Finding("warning", synthetic.volumes[0][0], "axes", detail)


def _placeholders(side: SideReport, other: SideReport) -> Iterator[Finding]:
    """Yield a finding where one side's affine is what libraries fill in, and the other's tells a place."""
    odd = [(file, word) for file, known in side.volumes if (word := _placeholder(known))]
    told = [known for _, known in other.volumes if known["orientation_stored"] and not _placeholder(known)]
    if odd and told:
        affine = np.array(told[0]["stored_affine"])
        place = ", ".join(f"{value:g}" for value in affine[:3, 3])
        file, word = odd[0]
        detail = (
            f"the affine of {len(odd)} of {len(side.volumes)} {side.name} volumes is {word}, a placeholder, and the "
            f"{other.name} ones are stored as {axes_of(affine)} from ({place}): the sides may be turned against each "
            "other: copy the affine of the data that the generator was trained on"
        )
        yield Finding("warning", file, "placeholder", detail)


def _placeholder(known: Facts) -> str:
    affine = np.array(known["stored_affine"])
    diagonal = np.diag(affine)[:3]
    if not known["orientation_stored"] or not np.array_equal(affine, np.diag([*diagonal, 1.0])) or diagonal.min() <= 0:
        return ""
    return "the identity" if np.all(diagonal == 1) else "a bare diagonal"


def _stretched(side: SideReport, grid: Grid) -> Iterator[Finding]:
    factors = [(file, known, stretch(known["shape"], known["spacing_mm"], grid)) for file, known in side.volumes]
    odd = [(file, known, most) for file, known, most in factors if max(most) > _MOST_STRETCH]
    if odd:
        file, known, most = max(odd, key=lambda one: max(one[2]))
        axis = int(np.argmax(most))
        detail = (
            f"{len(odd)} of {len(side.volumes)} {side.name} volumes are stretched: {known['shape'][axis]} voxels along "
            f"{'xyz'[axis]} become {round(known['shape'][axis] * most[axis])}, and what lies between is interpolated"
        )
        yield Finding("warning", file, "stretch", detail)
