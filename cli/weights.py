"""``medbench weights``: which weight files are here, and how to get them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.session import Session, in_session

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
