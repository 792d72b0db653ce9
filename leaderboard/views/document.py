"""A board as JSON, and as one line a value (CSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from leaderboard.ranking.rows import Board, Contest, Overall, RunRow, Standing
from leaderboard.reported.rows import ReportedRow
from medbench.storage.cells import neutral

_PROVENANCE: Final = (
    "id", "run", "model", "model_version", "preset", "seed", "checkpoint", "spec", "device", "versions", "native_shape",
    "leaks", "budget_kind", "budget_limit_bytes", "budget_peak_bytes", "within_budget", "command", "origin", "document",
    "added",
)  # fmt: skip
_COLUMNS: Final = (
    "track", "metric", "better", "unit", "fingerprint", "id", "model", "run", "value", "ci_low", "ci_high", "floor",
    "n_real", "n_synthetic", "rank", "rank_low", "rank_high", "mean_rank", "mean_rank_low", "mean_rank_high",
    "within_budget", "budget_kind", "budget_peak_bytes", "native_shape", "leaks", "stand_ins", "unranked", "preset",
    "seed", "checkpoint", "reported", "source",
)  # fmt: skip


def document(boards: Iterable[Board]) -> dict[str, Any]:
    """Return whole boards: every run with its provenance, and what ``listing`` says."""
    return {
        "schema": 1,
        "tracks": [
            {
                "track": board.track,
                "dataset": board.dataset,
                "fingerprint": board.fingerprint,
                "runs": [{name: getattr(run, name) for name in _PROVENANCE} for run in board.runs],
                "mean_ranks": [
                    {"metrics": list(field.metrics), "rows": [_overall(row) for row in field.rows]}
                    for field in board.fields
                ],
                "metrics": listing([board]),
            }
            for board in boards
        ],
    }


def listing(boards: Iterable[Board]) -> list[dict[str, Any]]:
    """Return one entry a track and contest; figures of others follow the measured ones, and are never ranked."""
    found = []
    for board in boards:
        overall = board.overall()
        told: set[int] = set()
        for contest in board.contests:
            like = [row for row in board.reported if row.like == contest.metric and id(row) not in told]
            told |= {id(row) for row in like}
            head = {"track": board.track, "metric": contest.metric, "better": contest.better, "unit": contest.unit}
            rows = [_measured(one, overall.get(one.run.id)) for one in contest.standings]
            found.append(
                {**head, "fingerprint": contest.fingerprint, "rows": [*rows, *(_reported(row) for row in like)]}
            )
        others: dict[str, list[ReportedRow]] = {}
        for row in board.reported:
            if id(row) not in told:
                others.setdefault(f"{row.metric}, {row.structure}" if row.structure else row.metric, []).append(row)
        for metric, rest in others.items():
            head = {"track": board.track, "metric": metric, "better": rest[0].better, "unit": None}
            found.append({**head, "fingerprint": None, "rows": [_reported(row) for row in rest]})
    return found


def csv_text(boards: Sequence[Board]) -> str:
    """Return one line a run and metric; no cell begins as a formula does."""
    kept = io.StringIO()
    writer = csv.DictWriter(kept, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for board in boards:
        overall = board.overall()
        for contest in board.contests:
            for one in contest.standings:
                writer.writerow(_neutral(_line(board, contest, one, overall.get(one.run.id))))
        for row in board.reported:
            line = {"track": board.track, "metric": row.metric, "better": row.better, "model": row.name}
            figures = {"value": row.value, "n_synthetic": row.n, "reported": True, "source": row.source}
            writer.writerow(_neutral({**line, **figures}))
    return kept.getvalue()


def _neutral(line: dict[str, Any]) -> dict[str, Any]:
    return {name: neutral(cell) for name, cell in line.items()}


def _line(board: Board, contest: Contest, one: Standing, overall: Overall | None) -> dict[str, Any]:
    run = one.run
    low, high = one.ci95 or (None, None)
    rank_low, rank_high = one.rank_ci95 or (None, None)
    mean_low, mean_high = overall.ci95 if overall else (None, None)
    return {
        "track": board.track,
        "metric": contest.metric,
        "better": contest.better,
        "unit": contest.unit,
        "fingerprint": contest.fingerprint,
        **{name: getattr(run, name) for name in ("id", "model", "run", "preset", "seed", "checkpoint")},
        **{name: getattr(run, name) for name in ("within_budget", "budget_kind", "budget_peak_bytes")},
        **{name: getattr(one, name) for name in ("value", "floor", "n_real", "n_synthetic", "rank", "unranked")},
        "ci_low": low,
        "ci_high": high,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "mean_rank": overall.mean if overall else None,
        "mean_rank_low": mean_low,
        "mean_rank_high": mean_high,
        "native_shape": "x".join(map(str, run.native_shape or ())),
        "leaks": "; ".join(run.leaks),
        "stand_ins": "; ".join(one.stand_ins),
        "reported": False,
    }


def _measured(one: Standing, overall: Overall | None) -> dict[str, Any]:
    run = one.run
    return {
        "id": run.id,
        "model": run.model,
        "run": run.run,
        "value": one.value,
        "ci95": list(one.ci95) if one.ci95 else None,
        "floor": one.floor,
        "n_real": one.n_real,
        "n_synthetic": one.n_synthetic,
        "rank": one.rank,
        "rank_ci95": list(one.rank_ci95) if one.rank_ci95 else None,
        "unranked": one.unranked,
        "mean_rank": overall.mean if overall else None,
        "mean_rank_ci95": list(overall.ci95) if overall else None,
        **_common(run),
        "reported": False,
        "source": None,
    }


def _common(run: RunRow) -> dict[str, Any]:
    names = ("within_budget", "budget_kind", "budget_peak_bytes", "native_shape", "leaks")
    return {name: getattr(run, name) for name in names}


def _reported(row: ReportedRow) -> dict[str, Any]:
    absent = ("id", "run", "ci95", "floor", "n_real", "rank", "rank_ci95", "within_budget", "budget_kind")
    return {
        **dict.fromkeys(absent),
        "model": row.name,
        "value": row.value,
        "spread": row.spread,
        "n_synthetic": row.n,
        "dataset": row.dataset,
        "reported": True,
        "source": row.source,
        "note": row.note,
        "verified": row.verified,
    }


def _overall(row: Overall) -> dict[str, Any]:
    places = {metric: list(ends) for metric, ends in row.places.items()}
    return {"id": row.run.id, "mean_rank": row.mean, "ci95": list(row.ci95), "places": places}
