"""What every command shares: its streams, its last three options, and how errors become exit codes."""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate

import typer
from rich.measure import Measurement
from rich.table import Table

from cli.options import DebugOption, JsonOption, QuietOption
from cli.progress import ConsoleProgress
from cli.refusals import refusal
from cli.streams import StreamConsole, lead_nowhere
from medbench.errors import MedbenchError
from medbench.plugin_faults import place_in_plugin
from medbench.progress import Progress, silent
from medbench.storage.names import shown

_INTERRUPTED = 130
_WIDEST = 1000


class Session:
    """The streams of one command: results on stdout, progress and errors on stderr."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.log: Path | None = None  # set by a command once it knows its run folder
        self.out = StreamConsole()
        self.errors = StreamConsole(stderr=True, soft_wrap=True)
        self.progress: Progress = silent if quiet else ConsoleProgress(self.errors)

    def print_json(self, document: Any) -> None:
        """Print strict JSON on stdout."""
        try:
            sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            lead_nowhere(sys.stdout)

    def tell(self, document: Any, *lines: str) -> None:
        """Print a result on stdout: the document with --json, else lines."""
        if self.as_json:
            self.print_json(document)
        else:
            self.say(*lines)

    def say(self, *lines: str) -> None:
        """Print lines on stdout that never wrap, for paths and commands."""
        for line in lines:
            self.out.print(shown(line), soft_wrap=True)

    def complain(self, line: str, style: str | None = None) -> None:
        """Print a line on stderr; a file's name may hold anything, and it stays one line."""
        self.errors.print(shown(line), style=style)

    def table(
        self, headings: Iterable[str], rows: Iterable[Sequence[str]], *, fold: bool = True, whole: Sequence[str] = ()
    ) -> None:
        """Print a table on stdout; cells that are too long fold, or else the table is as wide as it needs to be.

        Args:
            headings: of the columns.
            rows: their cells.
            fold: whether cells fold.
            whole: headings of columns whose cells never fold, like ids that are copied.
        """
        table = Table(box=None, pad_edge=False)
        for heading in headings:
            table.add_column(heading, overflow="fold", no_wrap=not fold or heading in whole)
        for row in rows:
            table.add_row(*map(shown, row))
        if not fold:  # a number that is cut off says less than a line that wraps
            needed = Measurement.get(self.out, self.out.options.update(max_width=_WIDEST), table).maximum
            self.out.width = max(self.out.width, needed)
        self.out.print(table)


@contextmanager
def session(*, as_json: bool = False, quiet: bool = False, debug: bool = False) -> Iterator[Session]:
    """Run a command's body; turn what it raises into one line on stderr and the contract's exit code.

    Args:
        as_json: results are printed as one JSON document.
        quiet: no progress.
        debug: let the traceback through.

    The traceback of an unexpected failure goes to the session's log, or to ``MEDBENCH_HOME/log.txt``.
    """
    current = Session(as_json=as_json, quiet=quiet)
    try:
        yield current
    except (typer.Exit, typer.Abort):
        raise
    except MedbenchError as error:
        if debug:
            raise
        current.complain(f"medbench: {error}", style="bold red")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        current.errors.print("medbench: interrupted; what was finished is kept: run the same command again to resume")
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(0) from None
    except (Exception, SystemExit) as error:
        if debug:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        if told := refusal(error):
            current.complain(f"medbench: {told}", style="bold red")
        elif place := place_in_plugin(error):
            kept = _keep_traceback(current.log)
            current.complain(f"medbench: {place}: the plug-in failed ({what}): mend it; the log lies in {kept}")
        else:
            kept = _keep_traceback(current.log)
            current.complain(f"medbench: unexpected failure ({what}); the log lies in {kept}")
            raise typer.Exit(1) from None
        raise typer.Exit(2) from None


def in_session(body: Callable[Concatenate[Session, ...], None]) -> Callable[..., None]:
    """Make a command of a function that takes its session first; --json, --quiet and --debug follow its own options."""

    def command(
        *, as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False, **own: Any
    ) -> None:
        with session(as_json=as_json, quiet=quiet, debug=debug) as ui:
            body(ui, **own)

    _, *own = inspect.signature(body, eval_str=True).parameters.values()
    *shared, _ = inspect.signature(command, eval_str=True).parameters.values()
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # what typer goes by
    command.__name__, command.__doc__ = body.__name__, body.__doc__
    return command


def words(value: Any) -> str:
    """Return a value of a declaration or document as a person would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


def _keep_traceback(log: Path | None) -> Path:
    from medbench.storage.home import home

    candidates = [log] if log is not None and os.path.isdir(log.parent) else []  # noqa: PTH112  no name is too long
    for file in (*candidates, home() / "log.txt", Path(tempfile.gettempdir()) / "medbench-log.txt"):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as handle:
                handle.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{traceback.format_exc()}\n")
        except OSError:
            continue
        return file
    return Path(os.devnull)
