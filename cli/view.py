"""``medbench view``: volumes in a browser, from this machine alone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.session import Session, in_session

_INTERRUPTED = 130


@in_session
def view(
    ui: Session,
    folder: Annotated[
        Path,
        typer.Argument(metavar="RUN|FOLDER", help="A run, a folder of volumes (masks in FOLDER/masks), or a file."),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser, where there is a screen.")] = True,
) -> None:
    """Look at the volumes of a run or folder: three linked planes, one volume or two side by side; Ctrl-C ends it."""
    from medbench.viewer.offered import offered
    from medbench.viewer.server import ViewServer

    with ViewServer(offered(folder), port) as server:
        count = len(server.volumes)
        ui.tell(
            {"url": server.url, "volumes": [one.name for one in server.volumes]},
            f"{count} volume{'s' * (count != 1)}: {server.url}",
            "Ctrl-C ends the viewer",
        )
        sys.stdout.flush()
        if browser and _has_screen():
            import webbrowser

            webbrowser.open(server.url)
        # A shell that starts a command in the background has it ignore Ctrl-C; a viewer has no other end.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            ui.complain("medbench: the viewer has ended")
            raise typer.Exit(_INTERRUPTED) from None


def _has_screen() -> bool:
    """Whether a browser's window could be seen: without one, Python would start a browser inside the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
