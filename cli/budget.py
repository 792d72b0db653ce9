"""``medbench budget``: the GPU memory that a generator needs at a shape, predicted without a GPU."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.options import Model, Preset, Settings, parse_shape
from cli.session import Session, in_session
from medbench import registry
from medbench.budget.meter import GIB, parse_bytes
from medbench.errors import SpecError
from medbench.generators.base import Stage
from medbench.pipeline.forecast import Forecast
from medbench.pipeline.presets import choose_preset

_STAGES: dict[str, Stage] = {"fit": "fit", "sample": "sample"}
_LISTED = 5

ShapeText = Annotated[
    str | None, typer.Option("--shape", help="Voxels, like 512x512x256; those of the preset where not given.")
]
StageName = Annotated[str, typer.Option("--stage", help="fit or sample.")]
Limit = Annotated[str, typer.Option("--limit", help="GPU memory, like 24GB.")]


@in_session
def budget(
    ui: Session,
    model: Model,
    shape: ShapeText = None,
    stage: StageName = "sample",
    preset: Preset = None,
    settings: Settings = None,
    limit: Limit = "24GB",
) -> None:
    """Predict the GPU memory that a generator needs, from its own code; exit code 3 where the limit is too small."""
    limit_bytes = parse_bytes(limit)
    if stage not in _STAGES:
        raise SpecError(f"there is no stage '{stage}': choose from {', '.join(_STAGES)}")
    plugin = registry.load("generators", model)
    chosen = choose_preset(plugin, preset, settings or (), None)
    size = parse_shape(shape) if shape is not None else plugin.info.shape_of(chosen.preset)
    if size is None:
        raise SpecError(f"{plugin.info.name} has no shape of its own: give --shape, like 512x512x256")
    forecast = Forecast(chosen.plugin, chosen.preset, _STAGES[stage], size, limit_bytes)
    found = forecast.prediction
    if found is None:
        raise SpecError(f"{plugin.info.name} does not predict its memory: run it with --budget on a GPU and see")
    largest = forecast.largest(limit_bytes)
    document = {
        "model": registry.canonical(model),
        "preset": chosen.told,
        "shape": list(size),
        "stage": stage,
        "limit_bytes": limit_bytes,
        "predicted_peak_bytes": found.peak_bytes,
        "tensor_bytes": found.tensor_bytes,
        "fits": forecast.fits,
        "largest_tensors": [tensor.model_dump(mode="json") for tensor in found.largest_tensors],
        "largest_shape_that_fits": largest.shape,
        "largest_shape_is_exact": largest.exact,
    }
    _show(ui, document)
    if not forecast.fits:
        raise forecast.refusal("take a larger card and --limit, smaller volumes or another preset")


def _show(ui: Session, document: dict[str, Any]) -> None:
    if ui.as_json:
        ui.print_json(document)
        return
    size = "x".join(map(str, document["shape"]))
    verdict = "fits" if document["fits"] else "does not fit"
    ui.out.print(
        f"{document['model']} {document['preset']}, {document['stage']} at {size}: about"
        f" {document['predicted_peak_bytes'] / GIB:.1f} GiB, which {verdict} in {document['limit_bytes'] / GIB:.1f} GiB"
        f" (tensors {document['tensor_bytes'] / GIB:.1f} GiB; predicted, not measured)"
    )
    rows = [
        (f"{tensor['bytes'] / GIB:.2f}", "x".join(map(str, tensor["shape"])), tensor["dtype"], tensor["layer"])
        for tensor in document["largest_tensors"][:_LISTED]
    ]
    ui.table(("GiB", "shape", "dtype", "layer"), rows)
    largest = document["largest_shape_that_fits"]
    words = "no shape of these proportions fits" if largest is None else "x".join(map(str, largest))
    if not document["largest_shape_is_exact"]:
        words += " (the search went no further)"
    ui.out.print(f"largest shape that fits: {words}")
