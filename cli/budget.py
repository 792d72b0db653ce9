"""``medbench budget``: the GPU memory that a generator needs at a shape, predicted without a GPU."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Model, Preset, parse_shape
from cli.session import Session, in_session
from medbench import registry
from medbench.budget.meter import GIB, parse_bytes
from medbench.errors import SpecError
from medbench.generators.base import Predicts, Stage
from medbench.pipeline.options import resolve_preset

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction

_STAGES: dict[str, Stage] = {"fit": "fit", "sample": "sample"}
_LISTED = 5

ShapeText = Annotated[str, typer.Option("--shape", help="Voxels, like 512x512x256.")]
StageName = Annotated[str, typer.Option("--stage", help="fit or sample.")]
Limit = Annotated[str, typer.Option("--limit", help="GPU memory, like 24GB.")]


@in_session
def budget(
    ui: Session,
    model: Model,
    shape: ShapeText,
    stage: StageName = "sample",
    preset: Preset = None,
    limit: Limit = "24GB",
) -> None:
    """Predict the GPU memory that a generator needs, from its own code; exit code 3 where the limit is too small."""
    asked, limit_bytes = parse_shape(shape), parse_bytes(limit)
    if stage not in _STAGES:
        raise SpecError(f"there is no stage '{stage}': choose from {', '.join(_STAGES)}")
    generator, chosen = _generator(model, preset)
    from medbench.budget.prediction import require_fits
    from medbench.budget.search import largest_shape

    def predict(size: tuple[int, int, int]) -> Prediction:
        return generator.predict(_STAGES[stage], size, limit_bytes=limit_bytes)

    found = predict(asked)
    document = {
        "model": registry.canonical(model),
        "preset": chosen,
        "shape": list(asked),
        "stage": stage,
        "limit_bytes": limit_bytes,
        "predicted_peak_bytes": found.peak_bytes,
        "tensor_bytes": found.tensor_bytes,
        "fits": found.peak_bytes <= limit_bytes,
        "largest_tensors": [asdict(tensor) for tensor in found.largest_tensors],
        "largest_shape_that_fits": largest_shape(asked, lambda size: predict(size).peak_bytes <= limit_bytes),
    }
    _show(ui, document)
    require_fits(found, limit_bytes, what=f"{model}'s stage {stage} at {shape}")


def _generator(model: str, preset: str | None) -> tuple[Predicts, str]:
    plugin = registry.load("generators", model)
    chosen = resolve_preset(plugin.info, preset)
    generator = plugin(chosen, device="cpu")
    if not isinstance(generator, Predicts):
        raise SpecError(f"{plugin.info.name} does not predict its memory: run it with --budget on a GPU and see")
    return generator, chosen


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
    ui.out.print(f"largest shape that fits: {words}")
