"""The console script."""

from __future__ import annotations

import typer

from cli import data, doctor, evaluate, listing, run

app = typer.Typer(
    name="medbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Benchmark generators of 3D CT volumes: every number with its protocol, uncertainty, floor and memory.",
)
app.command()(run.run)
app.command()(run.fit)
app.command()(run.sample)
app.command()(evaluate.evaluate)
app.command()(evaluate.report)
app.command()(doctor.doctor)
app.add_typer(listing.app, name="list")
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
