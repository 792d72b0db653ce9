"""``medbench list ...``: what is installed, from the plug-ins' own declarations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from cli.session import Session, in_session, words
from medbench import protocols, registry
from medbench.errors import MedbenchError, MissingExtraError
from medbench.spec import fingerprint

OneModel = Annotated[str | None, typer.Option("--model", "-m", help="Only this generator's.")]

app = typer.Typer(no_args_is_help=True, help="Show what is installed.")


def _list(ui: Session, kind: registry.Kind, *fields: str) -> None:
    rows, broken = [], []
    for name in registry.names(kind):
        try:
            declared = asdict(registry.load(kind, name).info)
        except MedbenchError as error:
            broken.append(str(error))
        else:
            rows.append({"name": name, **{field: declared[field] for field in fields}})
    _show(ui, rows)
    if broken:
        raise MedbenchError("; ".join(broken))


def _show(ui: Session, rows: list[dict[str, Any]]) -> None:
    if ui.as_json:
        ui.print_json(rows)
        return
    if not rows:
        ui.out.print("nothing is installed")
    for row in rows:
        ui.out.print(row["name"], style="bold")
        for heading, value in row.items():
            if heading != "name" and value not in (None, (), []):
                ui.out.print(Padding(Text(f"{heading.replace('_', ' ')}: {words(value)}"), (0, 0, 0, 2)))


@app.command()
@in_session
def models(ui: Session) -> None:
    """Show the generators."""
    _list(ui, "generators", "version", "capabilities", "presets", "license", "paper")


@app.command()
@in_session
def presets(ui: Session, model: OneModel = None) -> None:
    """Show the presets of generators: their shape, whether their weights are here, and what these were trained on."""
    names = registry.names("generators") if model is None else [model]
    _show(ui, [row for name in names for row in _presets(name)])


def _presets(model: str) -> Iterator[dict[str, Any]]:
    plugin = registry.load("generators", model)
    for preset in plugin.info.presets:
        try:
            found = plugin(preset, device="cpu").default_checkpoint()
            weights = "none are needed" if found is None else "here"
        except MissingExtraError as how:
            weights = str(how)
        yield {
            "name": preset,
            "model": plugin.info.name,
            "default": preset == plugin.info.presets[0],
            "shape": plugin.info.shape_of(preset),
            "weights": weights,
            "trained_on": [one.in_words() for one in plugin.info.trained_on.get(preset, ())],
        }


@app.command()
@in_session
def datasets(ui: Session) -> None:
    """Show the data sets."""
    _list(ui, "datasets", "version", "summary", "protocol", "license", "source")


@app.command()
@in_session
def metrics(ui: Session) -> None:
    """Show the metrics, with their direction and source."""
    _list(ui, "metrics", "version", "summary", "better", "unit", "min_real", "min_synthetic", "by_default", "source")


@app.command()
@in_session
def segmenters(ui: Session) -> None:
    """Show the segmenters."""
    _list(ui, "segmenters", "version", "stand_in", "license", "source")


@app.command()
@in_session
def features(ui: Session) -> None:
    """Show the feature networks."""
    _list(ui, "features", "version", "sees", "dimension", "stand_in", "license", "source")


@app.command("protocols")
@in_session
def list_protocols(ui: Session) -> None:
    """Show the protocols in words."""
    from medbench.report.protocol_text import protocol_sentences

    told = [(protocol, protocol_sentences(protocol)) for protocol in map(protocols.load, protocols.names())]
    if ui.as_json:
        ui.print_json(
            [
                protocol.model_dump(mode="json")
                | {"fingerprint": fingerprint(protocol), "in_words": " ".join(sentences)}
                for protocol, sentences in told
            ]
        )
        return
    for protocol, sentences in told:
        ui.out.print(protocol.name, style="bold")
        for sentence in sentences[1:]:  # the first tells the name
            ui.out.print(Padding(Text(sentence), (0, 0, 0, 2)))
