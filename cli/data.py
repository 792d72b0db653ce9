"""``medbench data``: which data sets are here, and how to get and check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import DataRoot, EngineName, EngineOptions, ShardOption, Workers, asked
from cli.session import Session, in_session, words
from medbench import registry
from medbench.datasets.base import Fetchable
from medbench.errors import DataError, SpecError
from medbench.pipeline.options import TrackOptions, load_dataset
from medbench.pipeline.shard import WHOLE, Shard

app = typer.Typer(no_args_is_help=True, help="Data sets: list, fetch, verify.")

Name = Annotated[str, typer.Argument(help="A name of 'medbench data list'.")]


@app.command("list")
@in_session
def list_datasets(ui: Session, data_root: DataRoot = None) -> None:
    """Show the data sets and whether they are here."""
    _show(ui, [_presence(name, data_root) for name in registry.names("datasets")])


@app.command()
@in_session
def verify(ui: Session, name: Name, data_root: DataRoot = None) -> None:
    """Read a data set to the last voxel: complete, whole, in HU; exit code 2 where it is not."""
    rows = load_dataset(name, root=data_root).verify()
    if rows or ui.as_json:
        _show(ui, rows)
    else:
        ui.say(f"{name} checks nothing: its 'verify' returns no rows")
    if not all(row["ok"] for row in rows):
        raise typer.Exit(2)


@app.command()
@in_session
def prepare(
    ui: Session,
    name: Name,
    data_root: DataRoot = None,
    engine: EngineName = "local",
    workers: Workers = None,
    engine_options: EngineOptions = None,
    shard: ShardOption = None,
) -> None:
    """Bring a data set's reference and held-out cases to its canonical grid, once for all runs."""
    options = asked(TrackOptions, {**locals(), "dataset": name})
    part = WHOLE if shard is None else Shard.parse(shard)
    from medbench.pipeline.track import Track

    track = Track.open(options)
    real = track.real(ui.progress, part)
    found = {"reference": len(real.reference), "held_out": len(real.held_out), "left": track.unprepared()}
    line = f"{name}: {found['reference']} reference and {found['held_out']} held-out cases are prepared"
    left = "" if shard is None else f" (shard {part}); {found['left']} of all cases are left to other shards"
    ui.tell({"dataset": track.name, **found}, line + left)


@app.command()
@in_session
def fetch(
    ui: Session,
    name: Name,
    data_root: DataRoot = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
) -> None:
    """Download a data set from its pinned source; the same command resumes."""
    dataset = load_dataset(name, root=data_root)
    if not isinstance(dataset, Fetchable):
        raise SpecError(f"{name} cannot be downloaded: 'medbench data verify {name}' shows the layout it needs")
    waiting = dataset.fetch_plan()
    size = sum(item.size_bytes or 0 for item in waiting)
    if waiting:
        ui.complain(f"{name}: {len(waiting)} files, {size / 1e9:.1f} GB, and about twice that unpacked")
        if size > 1e9 and not yes and not typer.confirm("Start?", err=True):
            raise typer.Exit(0)
    dataset.fetch(ui.progress)
    ui.tell({"dataset": name, "fetched": [item.filename for item in waiting]})


def _presence(name: str, data_root: Path | None) -> dict[str, Any]:
    info = registry.load("datasets", name).info
    try:
        dataset = load_dataset(name, root=data_root)
        counts = {split: len(dataset.cases(split)) for split in ("train", "select", "test")}
        return {"name": name, "here": True, "cases": counts, "detail": info.summary}
    except DataError as absent:
        return {"name": name, "here": False, "cases": None, "detail": str(absent)}


def _show(ui: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    if ui.as_json:
        ui.print_json(rows)
    else:
        ui.table(rows[0], [[words(value) for value in row.values()] for row in rows])
