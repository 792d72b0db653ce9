"""A store takes runs in whole, once, from many writers; what it cannot take harms nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard.store.entry import read_entry
from leaderboard.store.store import Store
from medbench.errors import DataError, SpecError


def test_a_run_comes_back_as_it_was(store: Store, run_of: Any) -> None:
    folder = run_of("a", 2.5, leaks=("toy: trained on this",))
    assert store.add([read_entry(folder)]) == ["added"]
    (run,), (result,) = store.track("toy/0")
    assert (run["run"], run["model"], run["leaks"]) == ("a", "toy", ["toy: trained on this"])
    assert run["origin"] == str(folder)
    assert (result["value"], result["ci_low"], result["ci_high"], result["floor"]) == (2.5, 1.5, 3.5, 0.5)
    assert result["real_values"].tolist() == [2.5, 2.6, 2.4, 2.5]
    assert store.documents(run["id"]) == {run["document"]: (folder / "results.json").read_bytes()}
    (track,) = store.tracks()
    assert (track.track, track.dataset, track.fingerprint, track.rows, track.models) == (
        "toy/0",
        "toy",
        "0",
        1,
        ("toy",),
    )


def test_adding_again_changes_nothing(store: Store, run_of: Any) -> None:
    folder = run_of("a")
    store.add([read_entry(folder)])
    before = store.track("toy/0")
    assert store.add([read_entry(folder), read_entry(folder)]) == ["there", "there"]
    after = store.track("toy/0")
    assert [dict(row) for row in after[0]] == [dict(row) for row in before[0]]
    assert len(after[1]) == 1


def test_other_metrics_of_the_same_run_come_beside_the_first(store: Store, run_of: Any, make_result: Any) -> None:
    store.add([read_entry(run_of("a", metric="mine"))])
    assert store.add([read_entry(run_of("a", metric="yours"))]) == ["updated"]
    (run,), results = store.track("toy/0")
    assert {row["metric"] for row in results} == {"mine", "yours"}
    kept = store.documents(run["id"])
    assert [json.loads(one)["results"][0]["metric"] for one in kept.values()] == ["yours", "mine"]


def test_two_runs_of_one_id_are_refused_and_all_that_came_with_them(store: Store, run_of: Any) -> None:
    store.add([read_entry(run_of("a", 1.0))])
    with pytest.raises(SpecError, match=r"two runs are called a .* mine 1 from .*/a, and .*/else has 2: rename"):
        store.add([read_entry(run_of("b")), read_entry(run_of("a", 2.0, folder="else"))])
    (run,), (result,) = store.track("toy/0")
    assert (run["run"], result["value"]) == ("a", 1.0)


def test_runs_of_one_name_by_other_models_stand_side_by_side(store: Store, run_of: Any) -> None:
    folders = [run_of("out", folder=model, model=model) for model in ("one", "two")]
    assert store.add([read_entry(folder) for folder in folders]) == ["added", "added"]


def test_a_removed_run_is_gone_whole(store: Store, run_of: Any) -> None:
    store.add([read_entry(run_of("a")), read_entry(run_of("b"))])
    first, second = (run["id"] for run in store.track("toy/0")[0])
    with pytest.raises(SpecError, match="no run with the id 'nobody'"):
        store.remove([first, "nobody"])
    assert len(store.track("toy/0")[0]) == 2
    store.remove([first])
    (run,), (result,) = store.track("toy/0")
    assert run["id"] == result["run_id"] == second
    with pytest.raises(SpecError, match="no run"):
        store.documents(first)


def test_twelve_writers_at_once_lose_nothing(store_address: str, run_of: Any) -> None:
    """All begin the store together, and each adds a run of its own and one that all add."""
    folders = [run_of(f"run{index}", index + 1.0) for index in range(12)]
    shared = run_of("shared")

    def write(folder: Path) -> list[str]:
        return list(Store.open(store_address, create=True).add([read_entry(folder), read_entry(shared)]))

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(write, folders))
    runs, results = Store.open(store_address).track("toy/0")
    assert {run["run"] for run in runs} == {"shared", *(f"run{index}" for index in range(12))}
    assert len(results) == 13
    assert sorted(second for _, second in outcomes) == ["added"] + ["there"] * 11


def test_a_document_changed_in_the_store_is_told(store: Store, run_of: Any) -> None:
    from leaderboard.store.engine import writing
    from leaderboard.store.schema import documents

    store.add([read_entry(run_of("a"))])
    with writing(store._engine) as connection:
        connection.execute(documents.update().values(content=b"else"))
    ((run,), _) = store.track("toy/0")
    with pytest.raises(DataError, match="was changed in the store"):
        store.documents(run["id"])


def test_montages_are_kept_small(store: Store, run_of: Any) -> None:
    from PIL import Image

    folder = run_of("a")
    (folder / "figures").mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (900, 1500), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "figures" / "montage.png")
    store.add([read_entry(folder)])
    ((run,), _) = store.track("toy/0")
    assert store.montages([run["id"], "nobody"])[run["id"]][8:12] == b"WEBP"
