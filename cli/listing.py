"""``medbench list ...``: what is installed, from the plug-ins' own declarations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from cli.session import Session, in_session, words
from medbench import protocols, registry
from medbench.errors import MedbenchError, MissingExtraError, SpecError
from medbench.generators.settings import preset_file, settings_of, written
from medbench.pipeline.options import resolve_preset
from medbench.pipeline.presets import presets_of
from medbench.spec import fingerprint

OneModel = Annotated[str | None, typer.Option("--model", "-m", help="Only this generator's.")]

app = typer.Typer(help="Show what is installed.")

# By the words of the commands below.
_KINDS: dict[str, registry.Kind] = {
    "models": "generators",
    "datasets": "datasets",
    "metrics": "metrics",
    "segmenters": "segmenters",
    "features": "features",
}


def _list(ui: Session, kind: registry.Kind, *fields: str, brief: Sequence[str]) -> None:
    """Show the plug-ins of a kind: what tells them apart in a table, then all that they declare."""
    rows, broken = [], []
    for name in registry.names(kind):
        try:
            declared = asdict(registry.load(kind, name).info)
        except MedbenchError as error:
            broken.append(str(error))
        else:
            rows.append({"name": name, **{field: declared[field] for field in fields}})
    _show(ui, rows, brief)
    if broken:
        raise MedbenchError("; ".join(broken))


def _show(ui: Session, rows: list[dict[str, Any]], brief: Sequence[str]) -> None:
    if ui.as_json:
        ui.print_json(rows)
        return
    if not rows:
        ui.out.print("nothing is installed")
        return
    shown = [field for field in ("name", *brief) if any(row[field] not in (None, (), []) for row in rows)]
    ui.table([field.replace("_", " ") for field in shown], [[words(row[field]) for field in shown] for row in rows])
    for row in rows:
        ui.out.print()
        ui.out.print(row["name"], style="bold")
        for heading, value in row.items():
            if heading != "name" and value not in (None, (), []):
                ui.out.print(_indented(f"{heading.replace('_', ' ')}: {words(value)}"))


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)


@app.callback(invoke_without_command=True)
@in_session
def summary(ui: Session, context: typer.Context) -> None:
    """Show what is installed: names alone here, declarations by the commands below."""
    if context.invoked_subcommand is not None:
        return
    found = {word: registry.names(kind) for word, kind in _KINDS.items()} | {"protocols": protocols.names()}
    if ui.as_json:
        ui.print_json(found)
        return
    ui.table(("kind", "number", "names"), [(word, str(len(names)), ", ".join(names)) for word, names in found.items()])
    ui.say("", "'medbench list KIND' tells more of each.")


@app.command()
@in_session
def models(ui: Session) -> None:
    """Show the generators."""
    _list(ui, "generators", "version", "capabilities", "presets", "license", "paper", brief=("capabilities", "presets"))


@app.command()
@in_session
def presets(
    ui: Session,
    model: OneModel = None,
    preset: Annotated[str | None, typer.Option(help="Only this one of the generator's.")] = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print it as a TOML file, to copy, change and run.")] = False,
) -> None:
    """Show the presets of generators: shape, weights and what these were trained on; of one generator its settings."""
    if model is None:
        if preset is not None or toml:
            raise SpecError("--preset and --toml are about one generator: give --model")
        rows = [row for name in registry.names("generators") for row in _presets(name)]
        _show(ui, rows, ("model", "default", "shape"))
        return
    plugin = registry.load("generators", model)
    chosen, configs = resolve_preset(plugin.info, preset), presets_of(plugin)
    if toml:
        if chosen not in configs:
            raise SpecError(f"{plugin.info.name} has no settings")
        ui.say(*preset_file(plugin.info.name, chosen, configs[chosen]).splitlines())
        return
    rows = [row for row in _presets(model) if preset in (None, row["name"])]
    if ui.as_json:
        told = {name: [asdict(setting) for setting in settings_of(config)] for name, config in configs.items()}
        ui.print_json([row | {"settings": told.get(row["name"], [])} for row in rows])
        return
    _show(ui, rows, ("default", "shape"))
    if chosen in configs:
        ui.say("", f"settings of {chosen}, each changed by --set KEY=VALUE:")
        settings = settings_of(configs[chosen])
        ui.table(("key", "type", "value"), [(one.key, one.type, written(one.value)) for one in settings])


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
    _list(ui, "datasets", "version", "summary", "protocol", "license", "source", brief=("protocol", "license"))


@app.command()
@in_session
def metrics(ui: Session) -> None:
    """Show the metrics, with their direction and source."""
    fields = ("version", "summary", "better", "unit", "min_real", "min_synthetic", "by_default", "source")
    _list(ui, "metrics", *fields, brief=("better", "unit", "by_default"))


@app.command()
@in_session
def segmenters(ui: Session) -> None:
    """Show the segmenters."""
    _list(ui, "segmenters", "version", "stand_in", "license", "source", brief=("stand_in", "license"))


@app.command()
@in_session
def features(ui: Session) -> None:
    """Show the feature networks."""
    fields = ("version", "sees", "dimension", "stand_in", "trained_on", "license", "source")
    _list(ui, "features", *fields, brief=("sees", "dimension", "stand_in", "license"))


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
            ui.out.print(_indented(sentence))
