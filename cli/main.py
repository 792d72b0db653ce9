"""The console script."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

import medbench
from cli import (
    audit,
    budget,
    cache,
    compare,
    data,
    doctor,
    evaluate,
    leaderboard,
    listing,
    new,
    replicate,
    run,
    study,
    table,
    view,
    weights,
)
from cli.streams import flush_streams, prepare_streams

# Threads that spin while they wait for each other slow a busy machine down: with one other process on 2 cores, sampling
# took 8.1 s a volume, and 1.5 s like this. It must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="medbench",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Benchmark generators of 3D CT volumes: every number with its protocol, uncertainty, floor and memory.",
)
app.command()(run.run)
app.command()(run.fit)
app.command()(run.sample)
app.command()(evaluate.evaluate)
app.command()(evaluate.report)
app.command()(view.view)
app.command()(compare.compare)
app.command()(table.table)
app.command()(replicate.replicate)
app.command()(audit.audit_metrics)
app.command()(budget.budget)
app.command()(doctor.doctor)
app.command()(new.new)
app.add_typer(listing.app, name="list")
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(cache.app, name="cache")
app.add_typer(study.app, name="study")
app.add_typer(leaderboard.app, name="leaderboard")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medbench {medbench.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    del version  # its callback has done all there is to do


# The base of what typer raises for a misspelt option or command; some versions bring it themselves, some take click's.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command line; a misspelt option is refused in one line, like any bad input."""
    prepare_streams()
    try:
        code = app(standalone_mode=False)
    except _UsageError as error:
        message = " ".join(str(error.format_message()).split()).rstrip(".")
        if not message:  # no command was named, and what there is has been shown
            sys.exit(0)
        command = error.ctx.command_path if error.ctx else "medbench"
        sys.stderr.write(f"medbench: {message}: '{command} --help' shows what there is\n")
        sys.exit(2)
    except typer.Abort:
        sys.stderr.write("medbench: nothing was started\n")
        sys.exit(2)
    finally:
        flush_streams()
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
