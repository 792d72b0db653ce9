"""A run's numbers and protocol in plain English: pure functions from values to text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import ValidationError

from medbench.results import Budget, Result
from medbench.spec import Grid, Protocol, SliceProtocol, Window

ABSENT: Final = "-"
"""Stands where there is no number; whoever prints it adds a footnote with the reason."""

_PLANES: Final = {"xy": "axial (xy)", "yz": "sagittal (yz)", "zx": "coronal (zx)"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_LISTED: Final = 6


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
    return {"lower": "↓ lower is better", "higher": "↑ higher is better"}[better]


def reading(result: Result) -> str:
    """Say in plain sentences what a result's value, interval, floor, ceiling and gap mean together."""
    unit = f" {result.unit}" if result.unit else ""
    said = [f"{result.metric} is {number(result.value)}{unit}; {result.better} is better."]
    if result.ci95 is not None:
        low, high = (number(end) for end in result.ci95)
        said.append(f"Chance in the choice of volumes leaves the range from {low} to {high} open (95 % interval).")
    if result.ceiling is not None:
        said.append(f"The best that the instruments allow is {number(result.ceiling)} ({result.ceiling_note}).")
    if result.floor is not None and result.ceiling is None and result.floor_values:
        said += _beside_floor(result)
    elif result.floor is not None:  # a metric's own floor is not always what real volumes score
        said.append(f"The floor is {number(result.floor)} ({result.floor_note}).")
    return " ".join([*said, *_against(result)])


def _beside_floor(result: Result) -> list[str]:
    """Set a value beside what real volumes score."""
    assert result.floor is not None  # the caller asked
    said = [f"Real volumes in place of the synthetic ones score {number(result.floor)}."]
    worst = result.value
    if result.ci95 is not None:
        worst = result.ci95[0] if result.better == "lower" else result.ci95[1]
    beyond = worst > result.floor if result.better == "lower" else worst < result.floor
    if beyond and result.ci95 is not None:
        said.append("The whole interval is worse than this floor: the metric sees a difference from real volumes.")
    elif result.ci95 is not None:
        said.append("The interval reaches this floor: the metric sees no clear difference from real volumes.")
    return said


def _against(result: Result) -> list[str]:
    """Say whether the samples lie nearer to the training volumes than to the held-out ones."""
    if result.against is None:
        return []
    found = result.against
    said = (
        f"At {found.n} real volumes it is {number(found.train)} against the training split and "
        f"{number(found.held_out)} against the held-out split"
    )
    if found.gap_limit is None:
        return [f"{said}; too few volumes to say what chance does to that gap."]
    if found.gap > found.gap_limit:
        return [f"{said}: a gap beyond chance (limit {number(found.gap_limit)}), a sign of copying."]
    return [f"{said}: no gap beyond chance (limit {number(found.gap_limit)})."]


def budget_sentence(budget: Budget) -> str:
    """Say what the budget was, how it was checked and what came of it."""
    limit = f"The budget for video memory is {gib(budget.limit_bytes)}."
    if budget.kind == "absent":
        return f"{limit} No CUDA device took part, so nothing is known of the video memory that the stages need."
    if budget.kind == "predicted":
        how = "The figures are predicted by calculation, not measured."
    else:
        where = {
            "real": "on a card of about that size",
            "capped": "on a larger card, where the allocator alone was capped to the budget",
            "none": "without a card of its own",
        }[budget.card]
        how = f"The figures were measured {where}."
    verdict = {True: "The run stayed within the budget.", False: "The run went over the budget.", None: "No verdict."}
    return f"{limit} {how} {verdict[budget.within]}"


def memory_reason(budget: Budget) -> str:
    """Say why a figure of video memory is missing."""
    if budget.kind == "absent":
        return "not measured: no CUDA device took part"
    return "not measured: the driver or the library gave no figure"


def protocol_sentences(protocol: Protocol | Mapping[str, Any]) -> list[str]:
    """Return a protocol as English sentences; every field is told, those without words of their own as key and value.

    Args:
        protocol: a protocol, or the part of one (with a metric's own additions) that a result carries.
    """
    document = protocol.model_dump(mode="json") if isinstance(protocol, Protocol) else dict(protocol)
    told: list[str] = []
    if {"metric", "version"} <= document.keys():
        told.append(f"Metric {_plain(document.pop('metric'))}, version {_plain(document.pop('version'))}.")
    if {"n_real", "n_synthetic"} <= document.keys():
        told.append(f"{document.pop('n_real')} real and {document.pop('n_synthetic')} synthetic volumes are compared.")
    for key, tell in _SENTENCES.items():
        if key not in document:
            continue
        try:
            told.append(tell(document[key]))
        except ValidationError:  # another package's field of the same name
            continue
        del document[key]
    if document:
        rest = "; ".join(f"{label(key)}: {_plain(value)}" for key, value in document.items())
        told.append(f"Also fixed: {rest}.")
    return told


def _plain(value: Any) -> str:
    """Return a value of any JSON kind as words; hashes and long lists are cut, since the JSON is at hand."""
    if isinstance(value, Mapping):
        return ", ".join(f"{label(str(key))} {_plain(inner)}" for key, inner in value.items()) or "nothing"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_plain(inner) for inner in value[:_MOST_LISTED])
        return shown + (f", … ({len(value)} in all)" if len(value) > _MOST_LISTED else "")
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return f"{value[:12]}…"
    return {"None": "none", "True": "yes", "False": "no"}.get(str(value), str(value))


def _instrument(value: Any) -> str:
    """Name a feature network or segmenter, with version and weights where they are told."""
    if not isinstance(value, Mapping) or "name" not in value:
        return _plain(value)
    version = f" {value['version']}" if value.get("version") else ""
    weights = value.get("weights_sha256")
    return f"{value['name']}{version}" + (f" (weights SHA-256 {_plain(weights)})" if weights else "")


def _product(sizes: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)


def _grid(value: Any) -> str:
    if value is None:
        return "Volumes are compared on the data set's grid; those of bare folders must share one."
    grid = Grid.model_validate(value)
    how = " as MONAI's Spacing, SpatialPad and CenterSpatialCrop do" if grid.convention == "monai" else ""
    spacing = f"with voxels of {_product(grid.spacing_mm)} mm" if grid.spacing_mm else "with their own spacing"
    if grid.shape is None:
        return f"Volumes are compared {spacing}{how if grid.spacing_mm else ''}, whatever their shape."
    fitted = {
        "resize": "the whole field of view is stretched to it",
        "crop_pad": f"larger volumes are cropped and smaller ones padded with {grid.pad_hu} HU about the centre{how}",
        "crop": f"larger volumes are cropped about the centre{how}, smaller ones stay as they are",
        "pad": f"smaller volumes are padded with {grid.pad_hu} HU about the centre{how}, larger ones stay as they are",
    }[grid.fit]
    on = f"on a {_product(grid.shape)} grid" + ("" if grid.fit == "resize" else f" {spacing}")
    return f"Volumes are compared {on}; {fitted}."


def _window(value: Any) -> str:
    window = Window.model_validate(value)
    return f"HU are clipped to {window.low:g}..{window.high:g}."


def _slices(value: Any) -> str:
    slices = SliceProtocol.model_validate(value)
    share = (
        "all slices" if slices.centre_ratio is None else f"the central {100 * slices.centre_ratio:g} % of the slices"
    )
    planes = ", ".join(_PLANES[plane] for plane in slices.planes)
    scaling = {
        "minmax_per_plane": "scaled by the minimum and maximum of each volume's slices of that plane",
        "minmax_per_slice": "scaled by the minimum and maximum of each slice",
        "window": "scaled by the fixed window",
    }[slices.normalisation]
    return f"Features see {share} in these planes: {planes}; {scaling}."


def _regions(value: Any) -> str:
    if not value:
        return "Regions are those that the label maps name."
    return f"Regions: {', '.join(label(name) for name in value)}."


_SENTENCES: Final[Mapping[str, Callable[[Any], str]]] = {
    "name": lambda value: f"Protocol {_plain(value)}.",
    "summary": _plain,
    "grid": _grid,
    "window": _window,
    "slices": _slices,
    "extractor": lambda value: f"Features come from {_instrument(value)}.",
    "volume_extractor": lambda value: f"Features of whole volumes come from {_instrument(value)}.",
    "segmenter": lambda value: (
        "Regions are those of given masks; no segmenter takes part."
        if value == "precomputed"
        else f"Regions are outlined by {_instrument(value)}."
        if value
        else "No segmenter takes part."
    ),
    "regions": _regions,
    "nsd_tolerance_mm": lambda value: f"Surfaces within {value:g} mm of each other count as equal.",
    "downstream": lambda value: f"The downstream metric trains nnU-Net with the preset {_plain(value)}.",
    "floor_splits": lambda value: f"Floors are means over {value} random splits of the real volumes by patient.",
    "reference_count": lambda value: (
        f"The reference is the first {value} training cases of a data set."
        if value
        else "The reference is every training case of a data set, or every volume of the real folder."
    ),
    "volumes_per_side": lambda value: (
        f"Only the first {value} volumes of either side take part, names sorted as strings."
        if value
        else "All volumes of either side take part."
    ),
}
