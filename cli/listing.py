"""``medbench list ...``: what is installed, from the plug-ins' own declarations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer
from rich.padding import Padding
from rich.text import Text

from cli.options import DebugOption, JsonOption, QuietOption
from cli.session import Session, session
from medbench import protocols, registry
from medbench.spec import Protocol, fingerprint

app = typer.Typer(no_args_is_help=True, help="Show what is installed.")


def _plugins(kind: registry.Kind, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for name in registry.names(kind):
        declared = asdict(registry.load(kind, name).info)
        rows.append({"name": name, **{field: declared[field] for field in fields}})
    return rows


def _show(ui: Session, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        ui.print_json(rows)
        return
    if not rows:
        ui.out.print("nothing is installed")
    for row in rows:
        ui.out.print(row["name"], style="bold")
        for heading, value in row.items():
            if heading != "name" and value is not None and value != ():
                ui.out.print(Padding(Text(f"{heading.replace('_', ' ')}: {_words(value)}"), (0, 0, 0, 2)))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _listing(kind: registry.Kind, fields: tuple[str, ...], *, as_json: bool, quiet: bool, debug: bool) -> None:
    with session(quiet=quiet, debug=debug) as ui:
        _show(ui, _plugins(kind, fields), as_json)


@app.command()
def models(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the generators."""
    fields = ("version", "capabilities", "presets", "license", "paper")
    _listing("generators", fields, as_json=as_json, quiet=quiet, debug=debug)


@app.command()
def datasets(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the data sets."""
    fields = ("version", "summary", "protocol", "license", "source")
    _listing("datasets", fields, as_json=as_json, quiet=quiet, debug=debug)


@app.command()
def metrics(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the metrics, with their direction and source."""
    fields = ("version", "summary", "better", "unit", "min_real", "min_synthetic", "by_default", "source")
    _listing("metrics", fields, as_json=as_json, quiet=quiet, debug=debug)


@app.command()
def segmenters(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the segmenters."""
    _listing("segmenters", ("version", "stand_in", "license", "source"), as_json=as_json, quiet=quiet, debug=debug)


@app.command()
def features(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the feature networks."""
    fields = ("version", "sees", "dimension", "stand_in", "license", "source")
    _listing("features", fields, as_json=as_json, quiet=quiet, debug=debug)


@app.command("protocols")
def list_protocols(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the protocols in words."""
    with session(quiet=quiet, debug=debug) as ui:
        from medbench.report.protocol_text import protocol_sentences

        loaded = [protocols.load(name) for name in protocols.names()]
        if as_json:
            ui.print_json([_protocol_row(protocol) for protocol in loaded])
            return
        for protocol in loaded:
            ui.out.print(protocol.name, style="bold", markup=False)
            for sentence in protocol_sentences(protocol)[1:]:  # the first tells the name
                ui.out.print(Padding(Text(sentence), (0, 0, 0, 2)))


def _protocol_row(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol's fields with its fingerprint and its sentences."""
    from medbench.report.protocol_text import protocol_sentences

    told = {"fingerprint": fingerprint(protocol), "in_words": " ".join(protocol_sentences(protocol))}
    return protocol.model_dump(mode="json") | told
