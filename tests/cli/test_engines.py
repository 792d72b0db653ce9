"""The same command on one process, on SLURM, on Dask and in shards, with workers killed: the same results.json."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.engines import slurm

OF_ITS_TIME = ("seconds", "stages", "checksum")
TINY = Path(__file__).parents[1] / "soak" / "tiny.py"
KILLED = '''
import os, signal, sys
from pathlib import Path
from medbench.storage.home import home
from tiny import Bodies, Histogram, Levelled, Thresholds

def die_once(name):
    mark = home() / name
    if os.environ.get("MEDBENCH_TEST_KILLS") and "pytest" not in sys.modules and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Filled(Levelled):
    """Label maps filled with HU. The first process that samples is killed after its first sample."""

    def default_checkpoint(self):
        return Path(__file__).with_name("weights.safetensors")

    def sample(self, request):
        for count, volume in enumerate(super().sample(request)):
            yield volume
            die_once("killed")


class Dying(Thresholds):
    """The first process that segments is killed."""

    def segment(self, volume):
        die_once("killed-too")
        return super().segment(volume)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs begin: a module beside a plug-in is imported from one folder."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def track(place: Path) -> list[str]:
    """The smallest track, whose generator and segmenter die once where they are told to."""
    import torch

    from medbench.storage.tensors import write_weights

    for file in (TINY, TINY.with_suffix(".toml")):
        text = file.read_text(encoding="utf-8")
        (place / file.name).write_text(text.replace("tiny.py:Thresholds", "killed.py:Dying"), encoding="utf-8")
    (place / "killed.py").write_text(KILLED, encoding="utf-8")
    weights = {"weight": torch.ones(1), "bias": torch.zeros(1)}
    write_weights(place / "weights.safetensors", weights, {"model": "levelled", "step": 1}, stored="float32")
    words = ["run", "--model", "killed.py:Filled", "--dataset", "killed.py:Bodies", "--protocol", "tiny.toml"]
    words += ["--metrics", "fid25d,rvr", "--conditional", "--samples", "4", "--seed", "3", "--leaderboard", "none"]
    return [*words, "--device", "cpu", "--quiet"]


def results(run: Path) -> Any:
    """Return results.json without its times and memory, and the checksum over these."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(inner) for key, inner in value.items() if key not in OF_ITS_TIME}
        return [kept(inner) for inner in value] if isinstance(value, list) else value

    return kept(json.loads((run / "results.json").read_bytes()))


@pytest.fixture
def begun(
    track: list[str], place: Path, medbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the track in a home of its own, the engine's processes killed once each; return results.json."""
    monkeypatch.setattr(slurm, "_POLL_S", 0.1)
    monkeypatch.setattr(slurm, "_LOOK_S", 0.5)
    monkeypatch.setattr(slurm, "_GRACE_S", 0.5)

    def run(name: str, *more: str, kills: bool = True) -> Any:
        monkeypatch.setenv("MEDBENCH_HOME", str(place / f"home-{name}"))
        monkeypatch.setenv("MEDBENCH_TEST_KILLS", "1" if kills else "")
        done = medbench(*track, "--out", f"{name}/run", *more, cwd=place)
        assert done.returncode == 0, done.stderr
        marks = [mark.name for mark in (place / f"home-{name}").glob("killed*")]
        assert sorted(marks) == (["killed", "killed-too"] if kills else [])
        return results(place / name / "run")

    return run


@pytest.fixture
def submitted(
    track: list[str], place: Path, medbench: Callable[..., Any], slurm_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Write the track's script, submit it, wait for its jobs, each kind killed once; return results.json."""

    def submit(name: str, *more: str) -> Any:
        monkeypatch.setenv("MEDBENCH_HOME", str(place / f"home-{name}"))
        monkeypatch.setenv("MEDBENCH_TEST_KILLS", "1")
        words = [*track, "--out", f"{name}/run", *more, "--workers", "2", "--emit-sbatch", "go.sh"]
        monkeypatch.setattr(sys, "argv", ["medbench", *words])
        done = medbench(*words, cwd=place)
        assert done.returncode == 0, done.stderr
        subprocess.run(["bash", "go.sh"], cwd=place, check=True, capture_output=True)
        slurm_cluster.wait_until_idle(240)
        said = "".join(path.read_text() for path in place.glob("slurm-*.out"))
        assert (place / name / "run" / "results.json").is_file(), said
        assert len(list((place / f"home-{name}").glob("killed*"))) == 2
        return results(place / name / "run")

    return submit


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--train",)], ids=["given", "trained"])
def test_a_script_whose_jobs_are_killed_gives_what_one_process_gives(
    more: tuple[str, ...], begun: Callable[..., Any], submitted: Callable[..., Any]
) -> None:
    name = "".join(more).strip("-") or "given"
    assert submitted(f"script-{name}", *more) == begun(f"alone-{name}", "--workers", "1", *more, kills=False)


@pytest.mark.slow
def test_slurm_with_killed_jobs_gives_what_one_process_gives(begun: Callable[..., Any], slurm_cluster: Any) -> None:
    assert begun("slurm", "--engine", "slurm", "--workers", "2") == begun("alone", "--workers", "1", kills=False)


@pytest.mark.slow
def test_dask_with_killed_workers_gives_what_one_process_gives(begun: Callable[..., Any], dask_cluster: Any) -> None:
    engine = ("--engine", "dask", "--engine-option", f"scheduler={dask_cluster.address}", "--workers", "2")
    assert begun("dask", *engine) == begun("alone-too", "--workers", "1", kills=False)
