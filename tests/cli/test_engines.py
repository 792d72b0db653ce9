"""The same command on one process, on SLURM, on Dask and in shards, with workers killed: the same results.json."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "_POLL_S", 0.1)
    monkeypatch.setattr(slurm, "_LOOK_S", 0.5)
    monkeypatch.setattr(slurm, "_GRACE_S", 0.5)


@pytest.fixture
def begun(
    track: list[str], place: Path, medbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run the track in a home of its own, the engine's processes killed once each; return results.json."""

    def run(name: str, *more: str, kills: bool = True) -> Any:
        monkeypatch.setenv("MEDBENCH_HOME", str(place / f"home-{name}"))
        monkeypatch.setenv("MEDBENCH_TEST_KILLS", "1" if kills else "")
        done = medbench(*track, "--out", f"{name}/run", *more, cwd=place)
        assert done.returncode == 0, done.stderr
        marks = [mark.name for mark in (place / f"home-{name}").glob("killed*")]
        assert sorted(marks) == (["killed", "killed-too"] if kills else [])
        return results(place / name / "run")

    return run


@pytest.fixture(scope="module")
def alone(track: list[str], place: Path, medbench: Callable[..., Any]) -> Any:
    """Return results.json of one process that nobody disturbs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_HOME", str(place / "home-alone"))
        done = medbench(*track, "--out", "alone/run", "--workers", "1", cwd=place)
    assert done.returncode == 0, done.stderr
    return results(place / "alone" / "run")


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
def test_a_script_whose_jobs_are_killed_gives_what_one_process_gives(submitted: Callable[..., Any], alone: Any) -> None:
    assert submitted("script") == alone


@pytest.mark.slow
def test_a_script_that_trains_gives_what_one_process_gives(
    submitted: Callable[..., Any], begun: Callable[..., Any]
) -> None:
    assert submitted("script-trained", "--train") == begun("trained", "--train", "--workers", "1", kills=False)


@pytest.mark.slow
def test_slurm_with_killed_jobs_gives_what_one_process_gives(
    begun: Callable[..., Any], alone: Any, slurm_cluster: Any
) -> None:
    assert begun("slurm", "--engine", "slurm", "--workers", "2") == alone


@pytest.mark.slow
def test_dask_with_killed_workers_gives_what_one_process_gives(
    begun: Callable[..., Any], alone: Any, dask_cluster: Any
) -> None:
    engine = ("--engine", "dask", "--engine-option", f"scheduler={dask_cluster.address}", "--workers", "2")
    assert begun("dask", *engine) == alone


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a size, or give it another one; return where it lies."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def sized(size: str) -> Path:
        how = f"size={size},remount" if os.path.ismount(disk) else f"size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", disk], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs the right to mount: {done.stderr.strip() or 'mount refused'}")
        return disk

    yield sized
    subprocess.run(["umount", "--lazy", disk], capture_output=True)  # a job that was cancelled may not have ended yet


@pytest.mark.parametrize(
    "engine",
    [
        ("--workers", "1"),
        pytest.param(("--workers", "2"), marks=pytest.mark.slow),
        pytest.param(("--workers", "2", "--engine", "slurm"), marks=pytest.mark.slow),
    ],
    ids=["alone", "local", "slurm"],
)
def test_a_full_disk_is_told_and_what_was_made_is_kept(
    engine: tuple[str, ...],
    alone: Any,
    small_disk: Callable[[str], Path],
    track: list[str],
    place: Path,
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "slurm" in engine:
        request.getfixturevalue("slurm_cluster")
    disk = small_disk("300k")
    monkeypatch.setenv("MEDBENCH_HOME", str(disk / "home"))
    words = [*track, *engine, "--out", str(disk / "run")]
    assert re.search(r"cannot write .*: the disk is full", refused(medbench(*words, cwd=place)))
    made = {path: path.stat().st_mtime_ns for path in disk.rglob("[!.]*.nii.gz")}
    small_disk("10m")
    done = medbench(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    assert results(disk / "run") == alone
    again = [path for path, time in made.items() if path.stat().st_mtime_ns != time]
    assert len(again) <= 2 < len(made) / 2  # a worker's last file may have been without its seal


PREPARE = ("data", "prepare", "killed.py:Bodies", "--engine", "slurm", "--workers", "1", "--quiet")


def test_ctrl_c_takes_the_jobs_out_of_the_queue(
    track: list[str], place: Path, medbench: Callable[..., Any], slurm_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(place / "home-stopped"))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored

    def stop() -> None:
        slurm_cluster.wait_until_running(1)
        os.kill(os.getpid(), signal.SIGINT)

    watch = threading.Thread(target=stop)
    watch.start()
    done = medbench(*PREPARE, cwd=place)
    watch.join()
    signal.signal(signal.SIGINT, before)
    assert done.returncode == 130
    assert "run the same command again" in done.stderr
    slurm_cluster.wait_until_idle()
    assert not list((place / "home-stopped" / "engines").iterdir())


@pytest.mark.slow
def test_jobs_of_a_command_that_was_killed_finish_what_they_began(
    track: list[str], place: Path, medbench: Callable[..., Any], slurm_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(place / "home-orphans"))
    with subprocess.Popen([sys.executable, "-m", "cli.main", *PREPARE], cwd=place) as command:
        slurm_cluster.wait_until_running(1)
        command.kill()
    slurm_cluster.wait_until_idle(240)
    made = {path: path.stat().st_mtime_ns for path in place.glob("home-orphans/prepared/*/t*/*.nii.gz")}
    assert len(made) == 20  # volumes and label maps of six training and four held-out cases
    assert medbench(*PREPARE, cwd=place).returncode == 0
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())
