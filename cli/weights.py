"""``medbench weights``: which weight files are here, and how to get them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import DebugOption, JsonOption, QuietOption
from cli.session import session

app = typer.Typer(no_args_is_help=True, help="Weights of networks: list, fetch.")

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
def list_weights(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show the weight files, whether they are here, their licences, and how to get them."""
    with session(quiet=quiet, debug=debug) as ui:
        from medbench.health import weight_rows

        rows = weight_rows()
        if as_json:
            ui.print_json(rows)
            return
        for row in rows:
            state = f"here, {row['path']}" if row["here"] else f"not here; {row['how']}"
            ui.out.print(f"{row['name']} ({row['licence']}): {state}", soft_wrap=True, markup=False)


@app.command()
def fetch(
    name: Name,
    sha256: Sha256 = None,
    revision: Revision = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Download a weight file from its pinned source and verify it; the same command resumes."""
    with session(quiet=quiet, debug=debug) as ui:
        from medbench.health import weight_file
        from medbench.weights import fetch_weights, sha256_once

        weights = weight_file(name)
        path = fetch_weights(weights, sha256=sha256, revision=revision, progress=ui.progress)
        if as_json:
            ui.print_json({"name": weights.name, "path": str(path), "sha256": sha256_once(path)})
            return
        ui.out.print(f"{weights.name}: verified, {path}", soft_wrap=True)
