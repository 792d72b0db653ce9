"""Engines and workers that cannot do the work: one line, exit code 2, and what was made stays."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.engines import dask


@pytest.fixture
def words(
    toy_dataset: str, toy_generator: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """The commands that take an engine, each about to work in a folder and a home of its own."""
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    model = ["--model", toy_generator, "--dataset", toy_dataset, "--samples", "3", "--out", str(tmp_path / "run")]
    both = [str(folders["near"]), "--real", str(folders["real"]), "--out", str(tmp_path / "evaluation")]
    return {
        "run": ["run", *model, "--metrics", "fid25d", "--leaderboard", "none"],
        "sample": ["sample", *model],
        "evaluate": ["evaluate", *both, "--metrics", "fid25d", "--leaderboard", "none"],
        "prepare": ["data", "prepare", toy_dataset],
    }


@pytest.fixture
def silent_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """What names a scheduler of each kind that nobody runs."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    conf = f"ClusterName=none\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort={port}\nNodeName=n1\n"
    (tmp_path / "slurm.conf").write_text(conf, encoding="utf-8")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    monkeypatch.setattr(dask, "_PATIENCE_S", 0.2)
    return {"slurm": (), "dask": ("--engine-option", f"scheduler=tcp://127.0.0.1:{port}")}


@pytest.mark.parametrize("command", ["run", "sample", "evaluate", "prepare"])
@pytest.mark.parametrize(
    ("engine", "told"),
    [("slurm", "SLURM controller does not answer|there is no sbatch here"), ("dask", "no Dask scheduler answers at")],
)
def test_a_scheduler_that_does_not_answer_is_told_before_any_work(
    command: str,
    engine: str,
    told: str,
    words: dict[str, list[str]],
    silent_clusters: dict[str, tuple[str, ...]],
    tmp_path: Path,
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
) -> None:
    asked = [*words[command], "--engine", engine, *silent_clusters[engine]]
    assert any(one in refused(medbench(*asked)) for one in told.split("|"))
    assert not list(tmp_path.rglob("*.nii.gz"))


@pytest.mark.parametrize("command", ["run", "sample", "evaluate", "prepare"])
@pytest.mark.parametrize(("engine", "library"), [("slurm", "submitit"), ("dask", "distributed")])
def test_an_engine_that_is_not_installed_is_told_with_its_extra(
    command: str,
    engine: str,
    library: str,
    words: dict[str, list[str]],
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    line = refused(medbench(*words[command], "--engine", engine))
    assert f"--engine {engine} needs {library}, which is not installed" in line
    assert 'pip install "medbench[cluster]"' in line


def test_a_worker_that_does_not_see_the_weights_says_so(
    words: dict[str, list[str]],
    dask_cluster: Any,
    tmp_path: Path,
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEDBENCH_WEIGHTS_SEEDED_RESNET", str(tmp_path / "gone.pth"))
    asked = ("--engine", "dask", "--engine-option", f"scheduler={dask_cluster.address}")
    line = refused(medbench(*words["prepare"], *asked))
    assert "does not see" in line and "gone.pth" in line and "put the weights where all workers see them" in line


def test_a_shard_of_another_spec_is_refused_and_the_others_go_on(
    words: dict[str, list[str]], tmp_path: Path, medbench: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    assert medbench(*words["sample"], "--shard", "1/2").returncode == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "samples").glob("*.nii.gz")}
    assert "another spec (different: seed)" in refused(medbench(*words["sample"], "--shard", "2/2", "--seed", "4"))
    assert medbench(*words["sample"], "--shard", "2/2").returncode == 0
    assert medbench(*words["sample"]).returncode == 0
    assert len(made) == 2 and all(path.stat().st_mtime_ns == time for path, time in made.items())
    assert len(list((tmp_path / "run" / "samples").glob("*.nii.gz"))) == 3
