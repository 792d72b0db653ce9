"""Figures and marks as short text, alike in every view; escaping is left to each format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.ranking.board import OVER_BUDGET
from leaderboard.ranking.rows import Board, Contest, Overall, RunRow, Standing
from medbench.drawing.text import ABSENT, ARROWS, gib, interval, number

RULES = (
    "A rank counts the runs that are better beyond chance (delete-a-group jackknife over subjects, Holm's adjustment "
    "over all pairs of a table); runs that chance may have ordered share places, and the range says which are open.",
    "A mean rank counts each metric named once, over runs that share every protocol; tied runs share the mean of "
    "their places.",
)
"""What a reader must know; stands below every table."""


BOLD = "Bold: better than every other run of its column beyond chance; no value is bold where none is."
"""What bold says, in every table that has it."""


@dataclass(frozen=True)
class WideRow:
    """A run with its standing in each contest, or None where it has no such number."""

    run: RunRow
    overall: Overall | None
    standings: tuple[Standing | None, ...]


def wide(board: Board) -> list[WideRow]:
    """Return the runs of a track, each on one line: by mean rank, then by the mean of what ranks they have."""
    overall = board.overall()
    places = [{one.run.id: one for one in contest.standings} for contest in board.contests]
    rows = [WideRow(run, overall.get(run.id), tuple(at.get(run.id) for at in places)) for run in board.runs]
    return sorted(rows, key=_order)


def _order(row: WideRow) -> tuple[bool, float, float, str, str]:
    ranks = [one.rank for one in row.standings if one is not None and one.rank is not None]
    mean = sum(ranks) / len(ranks) if ranks else float("inf")
    return row.overall is None, row.overall.mean if row.overall else 0.0, mean, row.run.model, row.run.id


def name_of(run: RunRow) -> str:
    """Return a model with its preset."""
    return f"{run.model} {run.preset}" if run.preset else run.model


def marks_of(run: RunRow, standings: Sequence[Standing | None] = ()) -> list[str]:
    """Return what must stand beside a run's name; the footnotes name what is counted here."""
    count = len({name for one in standings if one is not None for name in one.stand_ins})
    return [
        *(["leak"] if run.leaks else []),
        *(["over budget"] if run.within_budget is False else []),
        *([f"{count} stand-in{'s' if count > 1 else ''}"] if count else []),
    ]


def places(ends: tuple[float, float] | None) -> str:
    """Return a range of places: ``2``, ``1-3``, ``1.5-2``."""
    if ends is None:
        return ABSENT
    low, high = (f"{end:.3g}" for end in ends)
    return low if low == high else f"{low}-{high}"


def mean_rank(overall: Overall | None) -> str:
    """Return a mean rank with its interval: ``1.75 [1.5, 2]``."""
    return ABSENT if overall is None else f"{overall.mean:.3g} [{overall.ci95[0]:.3g}, {overall.ci95[1]:.3g}]"


def heading(contest: Contest, among: Sequence[Contest]) -> str:
    """Return a metric with its direction and unit, and what tells it from the track's other contests of that metric."""
    unit = f" [{contest.unit}]" if contest.unit else ""
    return f"{contest.metric} {ARROWS[contest.better]}{unit}{protocol_of(contest, among)}"


def protocol_of(contest: Contest, among: Sequence[Contest]) -> str:
    """Return counts and fingerprint where a track has a metric under several protocols, else nothing."""
    if sum(one.metric == contest.metric for one in among) == 1:
        return ""
    first = contest.standings[0]
    return f" ({first.n_real}/{first.n_synthetic}, {contest.fingerprint[:4]})"


def value_of(standing: Standing | None) -> str:
    """Return a value with its interval."""
    if standing is None:
        return ABSENT
    return number(standing.value) + (f" {interval(standing.ci95)}" if standing.ci95 else "")


def stands_out(standing: Standing, contest: Contest) -> bool:
    """Say whether a value is better than every other that is ranked with it, beyond chance."""
    return standing.rank_ci95 == (1, 1) and len(contest.beats) > 1


def native(run: RunRow) -> str:
    """Return the voxels that a model makes, before they are brought to the track's grid."""
    return ABSENT if run.native_shape is None else "x".join(map(str, run.native_shape))


def budget(run: RunRow) -> str:
    """Return the memory that a run took, how that is known, and what it might take."""
    if run.budget_kind == "absent":
        return ABSENT
    return f"{gib(run.budget_peak_bytes)} {run.budget_kind}, of {gib(run.budget_limit_bytes)}"


def footnotes(board: Board) -> list[str]:
    """Return what stands below a track's tables: why runs are not ranked, and what leaks are declared."""
    told: dict[str, list[str]] = {}
    for contest in board.contests:
        for one in contest.standings:
            if one.unranked is not None and one.unranked != OVER_BUDGET:
                told.setdefault(f"{one.unranked}: {contest.metric} of ", []).append(name_of(one.run))
    unranked = [f"Not ranked, since {reason}{', '.join(dict.fromkeys(names))}." for reason, names in told.items()]
    over = [
        f"{name_of(run)} ({run.run}) is {OVER_BUDGET} and not ranked."
        for run in board.runs
        if run.within_budget is False
    ]
    stand_ins: dict[str, dict[str, None]] = {}
    for contest in board.contests:
        for one in contest.standings:
            for name in one.stand_ins:
                stand_ins.setdefault(name, {})[name_of(one.run)] = None
    substitutes = [
        f"The stand-in {name} took part in numbers of {', '.join(runs)}." for name, runs in stand_ins.items()
    ]
    leaks = [f"Leak of {name_of(run)} ({run.run}): {leak}." for run in board.runs for leak in run.leaks]
    shared = [f"The mean rank of {len(field.rows)} runs is over {', '.join(field.metrics)}." for field in board.fields]
    return [*shared, *unranked, *over, *leaks, *substitutes]


def reported_by_metric(board: Board) -> Mapping[str, list[tuple[str, str, str]]]:
    """Return the figures of others: by data set and metric, the model, its figure, its source."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for row in board.reported:
        organ = f", {row.structure}" if row.structure else ""
        spread = f" ± {row.spread:g}" if row.spread is not None else ""
        second_hand = "; second-hand, check it" if row.verified == "secondary" else ""
        told = (row.name, f"{row.value:g}{spread}", f"{row.source}{second_hand}")
        found.setdefault(f"{row.dataset}: {row.metric}{organ}", []).append(told)
    return found
