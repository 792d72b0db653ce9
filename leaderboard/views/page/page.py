"""The page: every track with its table, and what a click opens: protocol, provenance, report, two runs side by side."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from leaderboard.ranking.rows import Board, Contest, RunRow
from leaderboard.reported.rows import MARK
from leaderboard.store.store import Store
from leaderboard.views import cells
from leaderboard.views.page.cell import Axis, cell
from medbench.drawing.text import moment
from medbench.report.html import render
from medbench.report.protocol_text import protocol_sentences
from medbench.viewer.assets import csp_hash

MOST_PICTURES: Final = 60
"""Montages that a page carries, some 20 kB each: those of the first rows of the first tracks."""


def page(store: Store, boards: Sequence[Board], out: Path) -> str:
    """Return a page of boards.

    Args:
        store: has the pictures and protocols.
        boards: one or more tracks.
        out: where the page will lie: it links to reports from there, where they are there.

    Raises:
        DataError: a document was changed in the store.
    """
    script = _asset("board.js")
    shown = [row.run.id for board in boards for row in cells.wide(board)][:MOST_PICTURES]
    pictures = store.montages(shown)
    return render(
        "board.html.j2",
        package="leaderboard.views.page",
        tracks=[_track(board) for board in boards],
        data=_data([_details(store, board, pictures, out) for board in boards]),
        runs=sum(len(board.runs) for board in boards),
        newest=moment(max((run.added for board in boards for run in board.runs), default=0.0)),
        pictures=min(len(shown), MOST_PICTURES),
        rules=cells.RULES,
        mark=MARK,
        css=_asset("board.css"),
        script=script,
        policy=csp_hash(script),
    )


def _asset(name: str) -> str:
    return resources.files("leaderboard.views.page").joinpath("static", name).read_text(encoding="utf-8")


def _data(tracks: list[dict[str, Any]]) -> str:
    """Return JSON that can stand inside an element: no text of it ends that."""
    return json.dumps(tracks, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _track(board: Board) -> dict[str, Any]:
    """Return what the template shows of a track."""
    axes = [_axis(contest) for contest in board.contests]
    return {
        "board": board,
        "headings": [cells.heading(contest, board.contests) for contest in board.contests],
        "rows": [
            {
                "run": row.run,
                "name": cells.name_of(row.run),
                "marks": cells.marks_of(row.run, row.standings),
                "native": cells.native(row.run),
                "voxels": int(np.prod(row.run.native_shape)) if row.run.native_shape else None,
                "memory": cells.budget(row.run),
                "overall": row.overall,
                "cells": [one and (one.value, cell(one, axis)) for one, axis in zip(row.standings, axes)],
            }
            for row in cells.wide(board)
        ],
        "notes": cells.footnotes(board),
        "reported": cells.reported_by_metric(board),
    }


def _axis(contest: Contest) -> Axis:
    known = [x for one in contest.standings for x in (one.value, one.floor, *(one.ci95 or ())) if x is not None]
    return min(known), max(known)


def _details(store: Store, board: Board, pictures: Mapping[str, bytes], out: Path) -> dict[str, Any]:
    """Return what a click opens: protocols of the contests, provenance of the runs."""
    return {
        "track": board.track,
        "contests": [_contest(store, contest) for contest in board.contests],
        "runs": {run.id: _run(run, pictures.get(run.id), out) for run in board.runs},
    }


def _contest(store: Store, contest: Contest) -> dict[str, Any]:
    first = contest.standings[0]
    wanted = {"metric": contest.metric, "fingerprint": contest.fingerprint}
    documents = [json.loads(content) for content in store.documents(first.run.id).values()]
    told = (
        result
        for report in documents
        for result in report["results"]
        if all(result[key] == wanted[key] for key in wanted)
    )
    ranked = [one.run.id for one in contest.standings if one.rank is not None]
    beats = np.packbits(contest.beats, axis=1)
    return {
        "metric": contest.metric,
        "fingerprint": contest.fingerprint,
        "protocol": protocol_sentences(next(told)["protocol"]),
        "ranked": ranked,
        "width": beats.shape[1],
        "beats": base64.b64encode(beats.tobytes()).decode(),
    }


def _run(run: RunRow, montage: bytes | None, out: Path) -> dict[str, Any]:
    """Return a run's provenance in words."""
    versions = ", ".join(f"{name} {version}" for name, version in (run.versions or {}).items())
    facts = {
        "Run": run.run,
        "Model": run.model + (f", version {run.model_version}" if run.model_version else ""),
        "Preset": run.preset,
        "Seed": run.seed,
        "Weights (SHA-256)": run.checkpoint,
        "Native resolution": cells.native(run) if run.native_shape else None,
        "Memory": cells.budget(run) if run.budget_kind != "absent" else "not known: no CUDA device, no prediction",
        "Device": run.device,
        "Versions": versions or None,
        "Command": run.command,
        "Spec": run.spec,
        "results.json (SHA-256)": run.document,
        "Read from": run.origin,
        "Added": moment(run.added),
    }
    found: dict[str, Any] = {
        "id": run.id,
        "name": cells.name_of(run),
        "facts": [[name, str(value)] for name, value in facts.items() if value is not None],
        "leaks": run.leaks,
        "report": _report(run, out),
    }
    if montage is not None:
        found["montage"] = f"data:image/webp;base64,{base64.b64encode(montage).decode()}"
    return found


def _report(run: RunRow, out: Path) -> str | None:
    """Return the link from the page to the run's report; None where that is not on this machine."""
    report = Path(run.origin) / "report.html"
    if not report.is_file():
        return None
    return quote(Path(os.path.relpath(report, out.resolve().parent)).as_posix())
