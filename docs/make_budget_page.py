"""Put the memory of all generators between the marks of docs/budget.md.

python docs/make_budget_page.py [MEASURED]

It predicts both stages of every preset that has a shape of its own, at that shape, and answers the questions below.
MEASURED is the budget.json that tests/benchmarks/gpu_round.sh leaves; without it the measured columns say so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from medbench import registry
from medbench.budget.meter import GIB
from medbench.errors import DataError
from medbench.generators.base import Shape, Stage
from medbench.pipeline.forecast import Forecast

BEGIN, END = "<!-- budget: written by make_budget_page.py -->", "<!-- end of budget -->"
LIMIT = 24 * GIB
SEARCH_S = 5.0
HEAD = (
    "model",
    "preset",
    "volume",
    "stage",
    "tensors",
    "needed",
    "24 GiB",
    "largest tensor",
    "largest volume that fits",
)
MEASURED = ("allocated", "reserved", "process")
QUESTIONS: Sequence[tuple[str, str, str, Shape]] = (
    ("Does MAISI at 512x512x256 fit?", "maisi-pt", "paper", (512, 512, 256)),
    ("Does MAISI with its autoencoder trained, too?", "maisi-st", "paper", (512, 512, 256)),
    ("Does VQ-Trans at factor 8?", "vq-trans", "paper-ds8", (512, 512, 256)),
    ("Does HA-GAN at 512x512x256?", "ha-gan", "full", (512, 512, 256)),
)


def forecasts(names: Sequence[str]) -> Iterator[Forecast]:
    """Yield both stages of every preset that is made for another shape than the default one."""
    for name in names:
        plugin = registry.load("generators", name)
        for preset, shape in plugin.info.native_shapes.items():
            if shape != plugin.info.native_shape:
                yield from (Forecast(plugin, preset, stage, shape, LIMIT) for stage in get_args(Stage))


def row(forecast: Forecast, measured: dict[str, Any]) -> str:
    """Return a line of the table."""
    found = forecast.prediction
    assert found is not None  # only what predicts is asked
    largest = found.largest_tensors[0]
    search = forecast.largest(LIMIT, seconds=SEARCH_S)
    shape = "none" if search.shape is None else size(search.shape) + ("" if search.exact else " or more")
    cells = [
        forecast.plugin.info.name, forecast.preset, size(forecast.shape), forecast.stage, gib(found.tensor_bytes),
        gib(found.peak_bytes), "fits" if forecast.fits else "**does not fit**",
        f"{gib(largest.bytes)}: {size(largest.shape)} {largest.dtype}, `{largest.layer}`", shape,
    ]  # fmt: skip
    card = measured.get(f"{forecast.plugin.info.name}/{forecast.preset}/{forecast.stage}", {})
    cells += [gib(card[f"{name}_bytes"]) if card.get(f"{name}_bytes") else "-" for name in MEASURED]
    return f"| {' | '.join(cells)} |"


def answer(question: str, name: str, preset: str, shape: Shape) -> str:
    """Return a question with its answer by stage."""
    if name not in registry.names("generators") or preset not in registry.load("generators", name).info.presets:
        return f"- {question} {name} has no preset {preset} here."
    said = []
    for stage in get_args(Stage):
        forecast = Forecast(registry.load("generators", name), preset, stage, shape, LIMIT)
        try:
            found = forecast.prediction
        except DataError as reason:
            said.append(f"{stage}: no ({reason})")
            continue
        assert found is not None
        layer = found.largest_tensors[0]
        verdict = "yes" if forecast.fits else f"no ({gib(layer.bytes)} GiB for {size(layer.shape)} of `{layer.layer}`)"
        said.append(f"{stage}: {verdict}, about {gib(found.peak_bytes)} GiB")
    return f"- {question} (`{name}`, preset `{preset}`) {'; '.join(said)}."


def size(shape: Sequence[int]) -> str:
    """Return ``512x512x128``."""
    return "x".join(map(str, shape))


def gib(count: float) -> str:
    """Return bytes as GiB with one decimal."""
    return f"{count / GIB:.1f}"


def main() -> None:
    """Write the page; what lies outside the marks stays."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    measured = json.loads(file.read_text(encoding="utf-8")) if file else {"card": None}
    names = [name for name in registry.names("generators") if hasattr(registry.load("generators", name), "predict")]
    lines = [f"| {' | '.join((*HEAD, *MEASURED))} |", f"| {' | '.join(['---'] * (len(HEAD) + len(MEASURED)))} |"]
    for forecast in forecasts(names):
        sys.stderr.write(f"{forecast.plugin.info.name} {forecast.preset} {forecast.stage}\n")
        lines.append(row(forecast, measured))
    card = f"on {measured['card']}" if measured["card"] else "no GPU at hand"
    lines += ["", f"All sizes in GiB. Measured: {card}.", ""]
    lines += [answer(*question) for question in QUESTIONS]
    page = Path(__file__).with_name("budget.md")
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
