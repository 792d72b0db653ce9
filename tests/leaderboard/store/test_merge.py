"""Boards and folders of runs come together; what cannot come in is named and harms nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboard.store.entry import read_entry
from leaderboard.store.merge import merge
from leaderboard.store.store import Store
from medbench.errors import DataError, SpecError
from medbench.progress import silent


def test_a_store_comes_in_whole_with_all_that_can_be_checked_again(store: Store, run_of: Any, tmp_path: Path) -> None:
    other = Store.open(str(tmp_path / "other.sqlite"), create=True)
    other.add([read_entry(run_of("a", 1.0)), read_entry(run_of("b", 2.0))])
    store.add([read_entry(run_of("a", 1.0))])
    merged = merge(store, other.name, silent)
    assert sorted(merged.outcomes.values()) == ["added", "there"]
    runs, results = store.track("toy/0")
    assert {run["run"] for run in runs} == {"a", "b"}
    theirs = {run["id"]: dict(run) for run in other.track("toy/0")[0]}
    assert {run["run"]: theirs[run["id"]]["origin"] for run in runs} == {run["run"]: run["origin"] for run in runs}
    assert {row["run_id"]: row["synthetic_values"].tolist() for row in results} == {
        row["run_id"]: row["synthetic_values"].tolist() for row in other.track("toy/0")[1]
    }
    for run in runs:
        assert store.documents(run["id"]) == other.documents(run["id"])


def test_a_folder_of_runs_comes_in_but_for_what_cannot_be_read(store: Store, run_of: Any, tmp_path: Path) -> None:
    run_of("a"), run_of("b")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "results.json").write_bytes((tmp_path / "a" / "results.json").read_bytes()[:200])
    merged = merge(store, str(tmp_path), silent)
    assert sorted(merged.outcomes.values()) == ["added", "added"]
    (reason,) = merged.left_out
    assert "cut/results.json" in reason
    assert set(merge(store, str(tmp_path), silent).outcomes.values()) == {"there"}


def test_two_runs_of_one_id_are_named_and_the_rest_comes_in(store: Store, run_of: Any, tmp_path: Path) -> None:
    store.add([read_entry(run_of("a", 1.0))])
    run_of("a", 3.0, folder="theirs/a"), run_of("b", 3.0, folder="theirs/b")
    merged = merge(store, str(tmp_path / "theirs"), silent)
    assert list(merged.outcomes.values()) == ["added"]
    (reason,) = merged.left_out
    assert "two runs are called a" in reason
    assert {row["value"] for row in store.track("toy/0")[1]} == {1.0, 3.0}


def test_nothing_to_merge_is_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no results\.json"):
        merge(store, str(tmp_path / "empty"), silent)
    with pytest.raises(DataError, match="does not exist"):
        merge(store, str(tmp_path / "absent.sqlite"), silent)
    lone = Store.open(str(tmp_path / "lone.sqlite"), create=True)
    with pytest.raises(SpecError, match="cannot be merged with itself"):
        merge(lone, lone.name, silent)
