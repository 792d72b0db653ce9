"""Standard output and error as a job script leaves them: closed, cut off by ``head``, or in a code page of 1991."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console


def prepare_streams() -> None:
    """Let no stream end a command: what one cannot show is escaped, and a closed one leads nowhere."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # its descriptor would go to the next file that is opened
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Write out what is left, so that Python's own attempt at its end cannot fail where nobody reads any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Let what is still written to a stream that nobody reads vanish."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# Columns of what no terminal shows: a line of a result is one line in a file, or to the next program of a pipe.
_UNWRAPPED: Final = 2**16


class StreamConsole(Console):
    """A console of standard output or error that goes on, in silence, where nobody reads any more.

    Only a terminal wraps lines, or where COLUMNS says how wide a line may be.
    """

    def __init__(self, **options: Any) -> None:
        # No markup: [mm] is a unit, and a file may be called scan[left].nii.gz.
        super().__init__(highlight=False, markup=False, **options)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _UNWRAPPED

    def on_broken_pipe(self) -> None:
        """Go on: results are on disk as well, and the exit code is to tell of the work alone."""
        self.quiet = True
        lead_nowhere(sys.stderr if self.stderr else sys.stdout)
