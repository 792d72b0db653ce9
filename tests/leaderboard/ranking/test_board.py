"""Ranks within a contest, ties where chance may have made the difference, and what is never ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard.ranking.board import OVER_BUDGET, UNTESTED, open_board, tracks_asked
from leaderboard.ranking.rows import Board
from leaderboard.store.entry import read_entry
from leaderboard.store.store import Store
from medbench.errors import SpecError
from medbench.records.results import Budget

OVER = Budget(limit_bytes=1, kind="predicted", card="none", within=False)


@pytest.fixture
def board_of(make_result: Any, save_run: Any, replicates: Any, tmp_path: Path) -> Any:
    """Make a board of runs: by name, a value for each metric; replicates lie 0.1 about it."""
    store = Store.open(str(tmp_path / "board.sqlite"), create=True)

    def make(
        runs: dict[str, dict[str, float]],
        *,
        better: str = "lower",
        protocols: dict[str, Any] | None = None,
        bare: tuple[str, ...] = (),
        over: tuple[str, ...] = (),
        metrics: tuple[str, ...] = (),
    ) -> Board:
        for name, values in runs.items():
            chance = np.random.default_rng(sum(map(ord, name)))
            results = [
                make_result(
                    metric,
                    value,
                    better=better,
                    protocol=(protocols or {}).get(name),
                    replicates={}
                    if metric in bare
                    else replicates([value] * 8, (value + chance.normal(0, 0.1, 8)).tolist()),
                )
                for metric, value in values.items()
            ]
            folder = save_run(name, *results, **({"budget": OVER} if name in over else {}))
            store.add([read_entry(folder)])
        return open_board(store, "toy/0", metrics=metrics)

    return make


def ranks(board: Board, metric: str) -> dict[str, Any]:
    (contest,) = (one for one in board.contests if one.metric == metric)
    return {one.run.model: (one.rank, one.rank_ci95) for one in contest.standings}


def test_differences_within_chance_are_ties(board_of: Any) -> None:
    board = board_of({"a": {"x": 1.0}, "b": {"x": 1.1}, "c": {"x": 9.0}, "d": {"x": 5.0}})
    assert ranks(board, "x") == {"a": (1, (1, 2)), "b": (1, (1, 2)), "d": (3, (3, 3)), "c": (4, (4, 4))}


def test_higher_is_better_where_the_metric_says_so(board_of: Any) -> None:
    assert ranks(board_of({"a": {"x": 1.0}, "b": {"x": 9.0}}, better="higher"), "x") == {
        "b": (1, (1, 1)),
        "a": (2, (2, 2)),
    }


def test_other_protocols_are_other_contests(board_of: Any) -> None:
    board = board_of({"a": {"x": 1.0}, "b": {"x": 9.0}, "c": {"x": 5.0}}, protocols={"c": {"window": "wide"}})
    first, second = board.contests
    assert [one.run.model for one in first.standings] == ["a", "b"]
    assert [(one.run.model, one.rank) for one in second.standings] == [("c", 1)]
    assert first.fingerprint != second.fingerprint


def test_over_budget_is_shown_and_not_ranked(board_of: Any) -> None:
    board = board_of({"a": {"x": 5.0}, "b": {"x": 1.0}}, over=("b",))
    (contest,) = board.contests
    assert [(one.run.model, one.rank, one.unranked) for one in contest.standings] == [
        ("a", 1, None),
        ("b", None, OVER_BUDGET),
    ]
    assert {run.model: run.within_budget for run in board.runs} == {"a": None, "b": False}


def test_what_cannot_be_tested_is_not_ranked(board_of: Any) -> None:
    (contest,) = board_of({"a": {"x": 1.0}, "b": {"x": 9.0}}, bare=("x",)).contests
    assert {one.unranked for one in contest.standings} == {UNTESTED}


def test_the_mean_rank_counts_each_metric_once(board_of: Any) -> None:
    board = board_of(
        {"a": {"x": 1.0, "y": 9.0}, "b": {"x": 1.1, "y": 5.0}, "c": {"x": 9.0, "y": 1.0}, "d": {"x": 30.0, "y": 30.0}}
    )
    (field,) = board.fields
    assert field.metrics == ("x", "y")
    assert {row.run.model: row.places for row in field.rows} == {
        "a": {"x": (1, 2), "y": (3, 3)},
        "b": {"x": (1, 2), "y": (2, 2)},
        "c": {"x": (3, 3), "y": (1, 1)},
        "d": {"x": (4, 4), "y": (4, 4)},
    }
    assert {row.run.model: (row.mean, row.ci95) for row in field.rows} == {
        "b": (1.75, (1.5, 2.0)),
        "c": (2.0, (2.0, 2.0)),
        "a": (2.25, (2.0, 2.5)),
        "d": (4.0, (4.0, 4.0)),
    }
    assert [row.run.model for row in field.rows] == ["b", "c", "a", "d"]


def test_the_mean_rank_is_of_runs_that_share_every_protocol(board_of: Any) -> None:
    """One run lacks y, one has it under another protocol; x alone is shared by all, which is no mean."""
    runs = {"a": {"x": 1.0, "y": 1.0}, "b": {"x": 2.0, "y": 2.0}, "c": {"x": 3.0}, "d": {"x": 4.0, "y": 4.0}}
    for metrics in ((), ("x", "y")):  # by default those that more than half of the runs have
        (field,) = board_of(runs, protocols={"d": {"window": "wide"}}, metrics=metrics).fields
        assert field.metrics == ("x", "y")
        assert [row.run.model for row in field.rows] == ["a", "b"]


def test_there_is_no_mean_rank_over_what_half_of_the_runs_have(board_of: Any) -> None:
    assert board_of({"a": {"x": 1.0, "y": 1.0}, "b": {"x": 2.0}}).fields == []


def test_an_unknown_metric_or_track_names_what_there_is(board_of: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no metric 'y': choose from x"):
        board_of({"a": {"x": 1.0}}, metrics=("y",))
    store = Store.open(str(tmp_path / "board.sqlite"))
    assert tracks_asked(store, None) == tracks_asked(store, "toy") == tracks_asked(store, "toy/0") == ["toy/0"]
    with pytest.raises(SpecError, match="has no track 'luna': choose from toy/0"):
        tracks_asked(store, "luna")
