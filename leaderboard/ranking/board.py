"""From the rows of a store to a board: contests, ranks, mean ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
from sqlalchemy import RowMapping

from leaderboard.ranking.rows import Board, Contest, Field, Overall, RunRow, Standing
from leaderboard.reported.rows import ReportedRow
from leaderboard.store.store import Store
from medbench.errors import SpecError
from medbench.statistics.ranks import Pairs, compare_all, ranks_of, told_apart
from medbench.statistics.resampling import Replicates
from medbench.statistics.significance import Estimate

OVER_BUDGET: Final = "over the memory budget"
UNTESTED: Final = "neither replicates nor values case by case are stored: differences cannot be tested"

Key = tuple[str, str, str | None]
"""Metric, fingerprint, cases: what values must share to be compared."""


def tracks_asked(store: Store, asked: str | None) -> list[str]:
    """Return the tracks of a store that a name means: the track itself, else all that begin with it; None: all.

    Raises:
        SpecError: there is none.
    """
    names = [row.track for row in store.tracks()]
    if asked is None or asked in names:
        return names if asked is None else [asked]
    found = [name for name in names if name.startswith(asked)]
    if not found:
        there = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise SpecError(f"{store.name} has no track '{asked}': choose from {there or 'none, it is empty'}")
    return found


def open_board(store: Store, track: str, *, metrics: Sequence[str] = (), reported: Iterable[ReportedRow] = ()) -> Board:
    """Return a track of a store with everybody's rank.

    Args:
        store: that holds it.
        track: its full name.
        metrics: those that are shown and that a mean rank counts; all, and those that all or most runs have, where
            empty.
        reported: figures of others, to be shown beside it.

    Raises:
        SpecError: the track has no such metric.
    """
    rows, numbers = store.track(track)
    runs = [RunRow(**row) for row in rows]
    there = {row["metric"] for row in numbers}
    unknown = [metric for metric in metrics if metric not in there]
    if unknown:
        raise SpecError(f"track {track} has no metric '{unknown[0]}': choose from {', '.join(sorted(there)) or 'none'}")
    shown = [row for row in numbers if not metrics or row["metric"] in metrics]
    tests = _Tests()
    contests = _contests(runs, shown, tests)
    return Board(
        track=track,
        dataset=runs[0].dataset if runs else track.rpartition("/")[0],
        fingerprint=track.rpartition("/")[2],
        runs=runs,
        contests=contests,
        fields=_fields(runs, shown, metrics, tests),
        reported=tuple(reported),
    )


class _Tests:
    """All pairs of some rows of one metric, compared once: a contest and a mean rank often ask for the same ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Pairs] = {}

    def of(self, rows: Sequence[RowMapping]) -> Pairs:
        key = tuple(row[name] for row in rows for name in ("metric", "run_id"))
        if key not in self._known:
            better: Literal["lower", "higher"] = rows[0]["better"] if rows else "lower"
            self._known[key] = compare_all([_estimate(row) for row in rows], better=better)
        return self._known[key]


def _contests(runs: Sequence[RunRow], numbers: Sequence[RowMapping], tests: _Tests) -> list[Contest]:
    by_id = {run.id: run for run in runs}
    of_run: dict[str, list[RowMapping]] = {}
    for row in numbers:
        of_run.setdefault(row["run_id"], []).append(row)
    grouped: dict[Key, list[RowMapping]] = {}
    for run in runs:
        for row in of_run.get(run.id, ()):
            grouped.setdefault(_key(row), []).append(row)
    contests = [_contest(key, rows, by_id, tests) for key, rows in grouped.items()]
    return sorted(contests, key=lambda one: (one.metric, -len(one.standings), one.fingerprint, one.cases or ""))


def _contest(key: Key, rows: Sequence[RowMapping], runs: Mapping[str, RunRow], tests: _Tests) -> Contest:
    metric, fingerprint, cases = key
    better = rows[0]["better"]
    sign = 1 if better == "lower" else -1
    reasons = {row["run_id"]: _unranked(runs[row["run_id"]], row) for row in rows}
    ranked = [row for row in rows if reasons[row["run_id"]] is None]
    (beats,) = told_apart([tests.of(ranked)])
    ranks = ranks_of(beats)
    order = sorted(range(len(ranked)), key=lambda place: (sign * ranked[place]["value"], ranked[place]["run_id"]))
    left = [row for row in rows if reasons[row["run_id"]] is not None]
    others = sorted(left, key=lambda row: (sign * row["value"], row["run_id"]))
    standings = [
        _standing(ranked[place], runs, rank=(int(ranks.low[place]), int(ranks.high[place]))) for place in order
    ]
    return Contest(
        metric=metric,
        fingerprint=fingerprint,
        cases=cases,
        better=better,
        unit=rows[0]["unit"],
        standings=[*standings, *(_standing(row, runs, unranked=reasons[row["run_id"]]) for row in others)],
        beats=beats[np.ix_(order, order)],
    )


def _key(row: RowMapping) -> Key:
    return row["metric"], row["fingerprint"], row["cases"]


def _unranked(run: RunRow, row: RowMapping) -> str | None:
    if run.within_budget is False:
        return OVER_BUDGET
    return UNTESTED if row["tested"] is None else None


def _standing(
    row: RowMapping,
    runs: Mapping[str, RunRow],
    *,
    rank: tuple[int, int] | None = None,
    unranked: str | None = None,
) -> Standing:
    return Standing(
        run=runs[row["run_id"]],
        value=row["value"],
        ci95=None if row["ci_low"] is None else (row["ci_low"], row["ci_high"]),
        ci_method=row["ci_method"],
        floor=row["floor"],
        n_real=row["n_real"],
        n_synthetic=row["n_synthetic"],
        stand_ins=tuple(row["stand_ins"]),
        rank=None if rank is None else rank[0],
        rank_ci95=rank,
        unranked=unranked,
    )


def _estimate(row: RowMapping) -> Estimate:
    values, others = row["real_values"], row["synthetic_values"]
    return Estimate(
        row["tested"],
        real=None if values is None else Replicates(values, row["real_sizes"]),
        synthetic=None if others is None else Replicates(others, row["synthetic_sizes"], row["synthetic_units"]),
        floor=() if row["floor_values"] is None else row["floor_values"],
    )


def _fields(runs: Sequence[RunRow], numbers: Sequence[RowMapping], asked: Sequence[str], tests: _Tests) -> list[Field]:
    """Return the groups of runs that share the protocols of all metrics that count."""
    of_run: dict[str, dict[str, RowMapping]] = {}
    allowed = {run.id for run in runs if run.within_budget is not False}
    for row in numbers:
        if row["run_id"] in allowed and row["tested"] is not None:
            of_run.setdefault(row["run_id"], {})[row["metric"]] = row
    counted = list(dict.fromkeys(asked)) or _shared([set(own) for own in of_run.values()])
    if len(counted) < 2:
        return []
    grouped: dict[tuple[Key, ...], list[RunRow]] = {}
    for run in runs:
        own = of_run.get(run.id, {})
        if all(metric in own for metric in counted):
            grouped.setdefault(tuple(_key(own[metric]) for metric in counted), []).append(run)
    fields = [_field(counted, members, of_run, tests) for members in grouped.values() if len(members) > 1]
    return sorted(fields, key=lambda field: -len(field.rows))


def _shared(metrics: Sequence[set[str]]) -> list[str]:
    """Return the metrics that all runs have; those that more than half have, where these are fewer than two."""
    by_all = set.intersection(*metrics) if metrics else set()
    if len(by_all) > 1:
        return sorted(by_all)
    held = Counter(metric for own in metrics for metric in own)
    return sorted(metric for metric, runs in held.items() if 2 * runs > len(metrics))


def _field(
    metrics: Sequence[str],
    members: Sequence[RunRow],
    of_run: Mapping[str, Mapping[str, RowMapping]],
    tests: _Tests,
) -> Field:
    """Rank runs by each metric among themselves; Holm's adjustment is over all metrics, so that all places hold."""
    families = [tests.of([of_run[run.id][metric] for run in members]) for metric in metrics]
    ranks = [ranks_of(beats) for beats in told_apart(families)]
    low, high, middle = (np.array([getattr(one, end) for one in ranks]) for end in ("low", "high", "middle"))
    rows = [
        Overall(
            run,
            {metric: (int(low[m, place]), int(high[m, place])) for m, metric in enumerate(metrics)},
            float(middle[:, place].mean()),
            (float(low[:, place].mean()), float(high[:, place].mean())),
        )
        for place, run in enumerate(members)
    ]
    return Field(tuple(metrics), sorted(rows, key=lambda row: (row.mean, row.run.model, row.run.id)))
