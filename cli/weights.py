"""``medbench weights``: which weight files are here, how to get them, and what one holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Device
from cli.session import Session, in_session
from medbench.errors import CheckpointError, SpecError

if TYPE_CHECKING:
    from medbench.generators.examination import Examination

app = typer.Typer(no_args_is_help=True, help="Weights of networks: list, fetch, check.")

Name = Annotated[str, typer.Argument(help="A name of 'medbench weights list'.")]
Sha256 = Annotated[
    str | None, typer.Option("--sha256", help="What the file's SHA-256 must be; needed where none is published.")
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision", help="Commit, branch or tag of a file on the Hugging Face hub; its main branch if not given."
    ),
]


@app.command("list")
@in_session
def list_weights(ui: Session) -> None:
    """Show the weight files, whether they are here, their licences, and how to get them."""
    from medbench.storage.catalogue import weight_rows

    rows = weight_rows()
    states = [f"here, {row['path']}" if row["here"] else f"not here; {row['how']}" for row in rows]
    ui.tell(rows, *(f"{row['name']} ({row['licence']}): {state}" for row, state in zip(rows, states)))


@app.command()
@in_session
def fetch(ui: Session, name: Name, sha256: Sha256 = None, revision: Revision = None) -> None:
    """Download a weight file from its pinned source and verify it; the same command resumes."""
    from medbench.storage.catalogue import weight_file
    from medbench.storage.files import sha256_once
    from medbench.storage.weights import fetch_weights

    weights = weight_file(name)
    path = fetch_weights(weights, sha256=sha256, revision=revision, progress=ui.progress)
    document = {"name": weights.name, "path": str(path), "sha256": sha256_once(path)}
    ui.tell(document, f"{weights.name}: verified, {path}")


@app.command()
@in_session
def check(
    ui: Session,
    file: Annotated[Path, typer.Argument(help="A checkpoint, or a file of the model's public code.")],
    model: Annotated[str, typer.Option("--model", help="Whose weights they are.")],
    preset: Annotated[
        str | None, typer.Option("--preset", help="Hold them against this one; default: the one that fits best.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Say what a weight file holds, and whether the model can sample from it, before anything is sampled."""
    from medbench import registry
    from medbench.engines.devices import resolve_device
    from medbench.generators.base import Examines

    plugin = registry.load("generators", model)
    if not isinstance(plugin, Examines):
        raise SpecError(f"{plugin.info.name} has no weight files that it could examine: load them with --checkpoint")
    found = plugin.examine(file, preset, device=resolve_device(device))
    if ui.as_json:
        ui.print_json(found.document())
    else:
        _show(ui, found)
    if not found.usable:
        raise CheckpointError(f"{file} cannot be used by {found.model}, preset {found.preset!r}: {found.wrong()}")


def _show(ui: Session, found: Examination) -> None:
    kind = "a checkpoint" if found.layout == "medbench" else "a public file"
    fits = ", ".join(found.presets) or "none"
    ui.say(f"{found.file}: {kind} of {found.model}, held against the preset {found.preset} (fits: {fits})")
    ui.table(
        ("part", "tensors", "numbers", "type", "largest", "weights", "attention", "wrong"),
        [
            (
                part.name,
                str(part.tensors),
                f"{part.numbers:,}",
                ", ".join(part.types) or "-",
                "-" if part.largest is None else f"{part.largest:.3g}",
                part.kept,
                part.attention or "-",
                ", ".join(f"{len(names)} {fault}" for fault, names in part.faults.items()) or "-",
            )
            for part in found.parts
        ],
        fold=False,
    )
    factor = "-" if found.scale_factor is None else f"{found.scale_factor:g}, {found.scale_factor_is}"
    saw = "; ".join(one.in_words() for one in found.trained_on or ())
    ui.say(
        f"scale factor: {factor}",
        f"licence: {found.license or 'not stated'}",
        f"training data: {saw or 'not declared'}",
    )
    if found.usable:
        ui.say("usable" if found.convert is None else f"usable once converted: {found.convert}")
