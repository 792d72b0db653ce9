"""Jobs of a real SLURM, of two nodes on this machine."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from medbench.engines import slurm as module
from medbench.engines.engine import Engine
from medbench.engines.work import run_all
from medbench.errors import MedbenchError, MissingExtraError, SpecError, StorageError
from medbench.storage.home import home

pytest.importorskip("submitit", reason='pip install -e ".[test]" has submitit')


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_S", 0.1)
    monkeypatch.setattr(module, "_LOOK_S", 0.5)
    monkeypatch.setattr(module, "_GRACE_S", 0.5)


def test_work_of_a_killed_job_is_done_by_another_one(slurm_cluster: Any, helpers: Any, tmp_path: Path) -> None:
    with Engine("slurm", 2).executor(4) as executor:
        found = sorted(run_all(partial(helpers.once_killed, str(tmp_path)), range(4), executor=executor))
    assert found == [0, 1, 4, 9]
    assert (tmp_path / "tried2").exists()


def test_an_error_of_one_item_is_raised_as_it_was(slurm_cluster: Any, helpers: Any) -> None:
    before = set(home().glob("engines/*"))
    with pytest.raises(MedbenchError, match="the disk is full"), Engine("slurm", 1).executor(2) as executor:
        futures = [executor.submit(helpers.refused, number) for number in (0, 1)]
        assert futures[0].result() == 0
        futures[1].result()
    assert set(home().glob("engines/*")) == before  # nothing failed for the cluster's reasons: no logs are kept


@pytest.mark.slow
def test_work_that_kills_every_job_is_given_up_in_one_line(slurm_cluster: Any, helpers: Any) -> None:
    with Engine("slurm", 1).executor(1) as executor, pytest.raises(MedbenchError, match="lost the same work 4") as told:
        list(run_all(helpers.always_killed, [1], executor=executor))
    assert "\n" not in str(told.value)
    shutil.rmtree(home() / "engines")


def test_options_that_sbatch_refuses_are_told(slurm_cluster: Any) -> None:
    engine = Engine("slurm", 1, {"partition": "nowhere"})
    with engine.executor(1) as executor, pytest.raises(SpecError, match="invalid partition specified: nowhere"):
        list(run_all(abs, [1], executor=executor))
    with pytest.raises(SpecError, match="medbench's own"), Engine("slurm", 1, {"array": "1-2"}).executor(1):
        pass


def test_a_full_disk_is_told_where_jobs_are_submitted_and_none_goes_on(
    slurm_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine("slurm", 1).executor(2) as executor:
        under_way = executor.submit(time.sleep, 60)
        slurm_cluster.wait_until_running(1)
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(executor._jobs, "submit", Mock(side_effect=full))
        with pytest.raises(StorageError, match=r"the disk is full: free some space .*MEDBENCH_HOME names it"):
            executor.submit(abs, -1).result()
        with pytest.raises(StorageError):
            under_way.result()
        slurm_cluster.wait_until_idle()


def test_a_gpu_is_asked_for_unless_the_options_do() -> None:
    assert module._parameters({}, gpu=True)["additional_parameters"] == {"gpus-per-node": "1"}
    assert module._parameters({"gres": "gpu:a100:1"}, gpu=True)["additional_parameters"] == {"gres": "gpu:a100:1"}
    assert module._parameters({}, gpu=False)["additional_parameters"] == {}


def test_no_slurm_no_submitit_and_a_controller_that_is_down_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SpecError, match="there is no sbatch here"), Engine("slurm").executor(1):
        pass
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    down = subprocess.CompletedProcess([], 1, stdout="Slurmctld(primary) at node is DOWN\n", stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: down)
    with pytest.raises(SpecError, match=r"does not answer .*is DOWN"), Engine("slurm").executor(1):
        pass
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=r'pip install "medbench\[cluster\]"'), Engine("slurm").executor(1):
        pass


def test_jobs_end_when_the_block_does(slurm_cluster: Any) -> None:
    with Engine("slurm", 2).executor(2) as executor:
        assert executor is not None
        executor.submit(time.sleep, 60)
        slurm_cluster.wait_until_running(1)
    slurm_cluster.wait_until_idle()
