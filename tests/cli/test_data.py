"""``medbench data``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_data_list_and_verify(refused: Callable[..., Any], medbench: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(medbench("data", "list", "--json").stdout)}
    assert rows["phantom"]["here"]
    assert not rows["luna"]["here"]
    assert medbench("data", "verify", "phantom").returncode == 0
    assert "--data-root" in refused(medbench("data", "verify", "luna"))
    assert "cannot be downloaded" in refused(medbench("data", "fetch", "phantom"))


@pytest.fixture
def prepared(
    toy_dataset: str, tmp_path: Path, medbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Prepare the small data set in a home of that name; return what was told and the files that lie there."""

    def prepare(home: str, *more: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / home))
        done = medbench("data", "prepare", toy_dataset, *more, "--json", "--quiet")
        assert done.returncode == 0, done.stderr
        files = sorted((tmp_path / home / "prepared").rglob("*.nii.gz"))
        return json.loads(done.stdout), {path.name: path.read_bytes() for path in files}

    return prepare


def test_data_is_prepared_once_also_in_shards(prepared: Callable[..., Any]) -> None:
    counts, whole = prepared("whole", "--workers", "1")
    assert counts == {"dataset": "toy", "reference": 8, "held_out": 4, "left": 0}
    first, part = prepared("shards", "--workers", "1", "--shard", "1/2")
    assert first == {"dataset": "toy", "reference": 4, "held_out": 2, "left": 6}
    assert part.items() < whole.items()
    last, together = prepared("shards", "--workers", "1", "--shard", "2/2")
    assert last == first | {"left": 0}
    assert together == whole


@pytest.mark.slow
def test_data_is_prepared_alike_by_other_processes(prepared: Callable[..., Any], dask_cluster: Any) -> None:
    counts, whole = prepared("alone", "--workers", "1")
    assert prepared("local", "--workers", "2") == (counts, whole)
    dask = ("--engine", "dask", "--engine-option", f"scheduler={dask_cluster.address}")
    assert prepared("dask", *dask) == (counts, whole)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--engine", "spark"), "choose from local, slurm, dask"),
        (("--engine-option", "partition=gpu"), "goes with --engine slurm or dask"),
        (("--shard", "3/2"), "--shard 3/2: give I/N"),
        (("--engine", "dask", "--engine-option", "scheduler=ftp//x"), "no Dask scheduler answers at ftp//x"),
    ],
)
def test_engines_and_shards_that_there_are_not_are_refused(
    more: tuple[str, ...],
    words: str,
    toy_dataset: str,
    tmp_path: Path,
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    assert words in refused(medbench("data", "prepare", toy_dataset, *more))
