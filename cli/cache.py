"""``medbench cache``: what is prepared and cached in ``MEDBENCH_HOME``, and removing what no run needs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.session import Session, in_session
from medbench.storage.home import home
from medbench.storage.stock import Stored, damaged, prune, stock
from medbench.storage.uses import uses

app = typer.Typer(no_args_is_help=True, help="Prepared volumes and caches: show, verify, prune. All can be made again.")


@app.command()
@in_session
def show(ui: Session) -> None:
    """Show what is stored by kind, and the runs that use it."""
    stored = stock()
    kinds = [{"kind": kind, **_sum(found)} for kind, found in _by_kind(stored).items()]
    runs = _runs(stored)
    if ui.as_json:
        ui.print_json({"home": str(home()), "kinds": kinds, "runs": runs})
        return
    ui.say(f"{home()}: {_size(sum(one.bytes for one in stored))} that can be made again")
    if kinds:
        ui.table(
            ["kind", "files", "size", "last used"],
            [[one["kind"], str(one["files"]), _size(one["bytes"]), one["last_used"]] for one in kinds],
        )
    if runs:
        ui.table(
            ["run", "state", "uses", "alone"],
            [[one["run"], one["state"], _size(one["bytes"]), _size(one["own_bytes"])] for one in runs],
        )


@app.command()
@in_session
def verify(ui: Session) -> None:
    """Read all prepared volumes and cache entries through; exit code 2 where one is damaged: it will be made again."""
    found = damaged(ui.progress)
    for one in found:
        ui.complain(f"{one.name} is damaged: it is not used and made again")
    document = {"damaged": [one.name for one in found]}
    ui.tell(document, f"{len(found)} damaged" if found else "all are what was written")
    if found:
        raise typer.Exit(2)


@app.command("prune")
@in_session
def prune_command(
    ui: Session,
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, metavar="DAYS", help="What was not used for so many days.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="What the run in this folder alone uses.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Remove prepared volumes and cache entries; what an unfinished run needs stays."""
    done = prune(now=time.time(), older_than_days=older_than, run=run, dry=dry_run)
    removed, needed = (sum(one.bytes for one in found) for found in (done.removed, done.needed))
    went = "would go" if dry_run else "removed"
    line = f"{went}: {len(done.removed)} files, {_size(removed)}"
    if done.needed:
        line += f"; {len(done.needed)} ({_size(needed)}) stay for {', '.join(map(str, done.holders))}: not finished"
    document = {
        "dry_run": dry_run,
        "removed": {"files": len(done.removed), "bytes": removed},
        "needed": {"files": len(done.needed), "bytes": needed, "runs": [str(folder) for folder in done.holders]},
    }
    ui.tell(document, line)


def _by_kind(stored: Sequence[Stored]) -> dict[str, list[Stored]]:
    kinds = defaultdict(list)
    for one in stored:
        kinds[one.kind].append(one)
    return dict(kinds)


def _sum(found: Sequence[Stored]) -> dict[str, Any]:
    last = time.strftime("%Y-%m-%d", time.localtime(max(one.used for one in found)))
    return {"files": len(found), "bytes": sum(one.bytes for one in found), "last_used": last}


def _runs(stored: Sequence[Stored]) -> list[dict[str, Any]]:
    known = uses()
    sizes = {one.name: one.bytes for one in stored}
    rows = []
    for use in known:
        shared = {name for other in known if other is not use for name in other.files}
        rows.append(
            {
                "run": str(use.folder),
                "state": "finished" if use.finished else "unfinished: keeps what it needs",
                "bytes": sum(sizes.get(name, 0) for name in use.files),
                "own_bytes": sum(sizes.get(name, 0) for name in use.files - shared),
            }
        )
    return rows


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
