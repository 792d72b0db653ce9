"""A protocol in plain English, field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from medbench.drawing.text import label
from medbench.spec import Grid, Protocol, SliceProtocol, Window

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_LISTED: Final = 6


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
    """Name a feature network or segmenter, with version, weights and an input of its own where they are told."""
    if not isinstance(value, Mapping) or "name" not in value:
        return _plain(value)
    version = f" {value['version']}" if value.get("version") else ""
    weights = value.get("weights_sha256")
    named = f"{value['name']}{version}" + (f" (weights SHA-256 {_plain(weights)})" if weights else "")
    own = [_own_grid(Grid.model_validate(value["grid"]))] if value.get("grid") else []
    if value.get("window"):
        window = Window.model_validate(value["window"])
        own.append(f"clipped to {window.low:g}..{window.high:g} HU")
    return f"{named}, which sees them {', '.join(own)}" if own else named


def _own_grid(grid: Grid) -> str:
    spacing = f"with voxels of {_product(grid.spacing_mm)} mm" if grid.spacing_mm else ""
    shape = _product(grid.shape) if grid.shape else ""
    fitted = {
        "resize": f"stretched to {shape} voxels",
        "crop_pad": f"cropped or padded to {shape} voxels",
        "crop": f"cropped to at most {shape} voxels",
        "pad": f"padded to at least {shape} voxels",
        "keep": "",
    }[grid.fit]
    return " ".join(filter(None, (spacing, fitted)))


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
    planes = ", ".join(label(plane) for plane in slices.planes)
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
