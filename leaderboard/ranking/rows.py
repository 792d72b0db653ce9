"""What a board is made of: runs, where each stands in each contest, and over several metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from leaderboard.reported.rows import ReportedRow


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run of a track, with where it comes from; the fields are the columns of the table ``runs``."""

    id: str
    run: str
    model: str
    model_version: str | None
    dataset: str
    track: str
    added: float
    origin: str
    command: str | None
    spec: str | None
    preset: str | None
    seed: int | None
    checkpoint: str | None
    device: str | None
    versions: dict[str, str] | None
    native_shape: list[int] | None
    leaks: list[str]
    budget_kind: Literal["measured", "predicted", "absent"]
    budget_limit_bytes: int
    budget_peak_bytes: int | None
    within_budget: bool | None
    document: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A run in a contest.

    Args:
        run: whose value it is.
        value: the metric's.
        ci95: both ends of its 95 % interval, or None.
        ci_method: how that was made, or why there is none.
        floor: what real volumes score.
        n_real: volumes on the real side.
        n_synthetic: volumes on the other side.
        stand_ins: named substitutes that took part.
        rank: 1 and how many runs are better beyond chance; None where the run is not ranked.
        rank_ci95: the places that chance leaves open, all intervals of a contest holding at once with 95 %.
        unranked: why the run is not ranked.
    """

    run: RunRow
    value: float
    ci95: tuple[float, float] | None
    ci_method: str
    floor: float | None
    n_real: int
    n_synthetic: int
    stand_ins: tuple[str, ...]
    rank: int | None = None
    rank_ci95: tuple[int, int] | None = None
    unranked: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Contest:
    """Runs whose values of a metric may be compared: one track, one fingerprint, one set of cases.

    Args:
        metric: its name.
        fingerprint: of the protocol that all values share.
        cases: names the cases behind the values, where the metric judges case by case.
        better: which way is better.
        unit: of the values.
        standings: the ranked ones, best value first, then the others.
        beats: (ranked, ranked) True where the row is better than the column beyond chance, in that order.
    """

    metric: str
    fingerprint: str
    cases: str | None
    better: Literal["lower", "higher"]
    unit: str | None
    standings: Sequence[Standing]
    beats: np.ndarray


@dataclass(frozen=True)
class Overall:
    """A run over several metrics.

    Args:
        run: which.
        places: its places by metric: lowest, highest.
        mean: of the middles of the places, each metric counting once; tied runs share the mean of their places.
        ci95: the means of the lower and of the upper ends.
    """

    run: RunRow
    places: dict[str, tuple[int, int]]
    mean: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Field:
    """Runs that share the protocols of several metrics, and are ranked by each of them among themselves.

    Args:
        metrics: each counts once.
        rows: by their mean rank.
    """

    metrics: tuple[str, ...]
    rows: Sequence[Overall]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A track as it is shown.

    Args:
        track: data set and fingerprint.
        dataset: its name.
        fingerprint: of the protocol and the reference.
        runs: all that the track has, also those without a number.
        contests: by metric; the one with the most runs first.
        fields: where several runs share several metrics.
        reported: figures of others on that data set: never ranked.
    """

    track: str
    dataset: str
    fingerprint: str
    runs: Sequence[RunRow]
    contests: Sequence[Contest]
    fields: Sequence[Field]
    reported: Sequence[ReportedRow] = field(default=())

    def overall(self) -> dict[str, Overall]:
        """Return the place over several metrics of each run that has one, by the run's id."""
        return {row.run.id: row for one in self.fields for row in one.rows}
