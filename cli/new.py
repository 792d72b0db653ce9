"""``medbench new``: a plug-in to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.session import Session, in_session

Kind = Annotated[str, typer.Argument(help="metric, generator, dataset or extractor.")]
Name = Annotated[str, typer.Argument(help="Of the plug-in, like lung-texture.")]


@in_session
def new(
    ui: Session,
    kind: Kind,
    name: Name,
    out: Annotated[Path, typer.Option(help="The folder that the file goes to; it must not be there yet.")] = Path(),
) -> None:
    """Write a plug-in of your own to start from: one file that works as it is."""
    from medbench.templates.writing import class_name, write

    file = write(kind, name, out)
    reference = f"{file}:{class_name(name)}"
    told = file.read_text(encoding="utf-8").split('"""')[1].splitlines()
    ui.tell({"file": str(file), "plugin": reference}, f"{kind}: {reference}", *told[1:])
