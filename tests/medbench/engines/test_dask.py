"""Tasks of a Dask cluster whose scheduler and workers are processes of this machine."""

from __future__ import annotations

import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from medbench.engines import dask as module
from medbench.engines.engine import Engine
from medbench.engines.work import run_all
from medbench.errors import MedbenchError, MissingExtraError, SpecError

pytest.importorskip("distributed", reason='pip install -e ".[test]" has dask.distributed')


def engine(cluster: Any, workers: int | None = None) -> Engine:
    return Engine("dask", workers, {"scheduler": cluster.address})


def test_work_of_a_killed_worker_is_done_by_another_one(dask_cluster: Any, helpers: Any, tmp_path: Path) -> None:
    with engine(dask_cluster).executor(4) as executor:
        found = sorted(run_all(partial(helpers.once_killed, str(tmp_path)), range(4), executor=executor))
    assert found == [0, 1, 4, 9]
    assert (tmp_path / "tried2").exists()


def test_no_more_tasks_are_under_way_than_were_asked_for(dask_cluster: Any, helpers: Any, tmp_path: Path) -> None:
    with engine(dask_cluster, 1).executor(3) as executor:
        assert list(run_all(partial(helpers.under_way, str(tmp_path)), range(3), executor=executor)) == [1, 1, 1]


def test_an_error_of_one_item_is_raised_as_it_was(dask_cluster: Any, helpers: Any) -> None:
    with engine(dask_cluster).executor(1) as executor, pytest.raises(MedbenchError, match="the disk is full"):
        list(run_all(helpers.refused, [1], executor=executor))


def test_the_address_may_come_from_the_environment(dask_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.SCHEDULER, dask_cluster.address)
    with Engine("dask").executor(1) as executor:
        assert list(run_all(abs, [-1], executor=executor)) == [1]


def test_no_address_no_answer_no_workers_and_no_library_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module.SCHEDULER, raising=False)
    monkeypatch.setattr(module, "_PATIENCE_S", 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    for options, words in [
        ({}, f"set {module.SCHEDULER}"),
        ({"scheduler": dead}, f"no Dask scheduler answers at {dead}"),
        ({"scheduler": "ftp//nonsense"}, "no Dask scheduler answers at ftp//nonsense"),
        ({"partition": "gpu"}, "has no option partition"),
    ]:
        with pytest.raises(SpecError, match=words) as told, Engine("dask", None, options).executor(1):
            pass
        assert "\n" not in str(told.value)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r'pip install "medbench\[cluster\]"'), Engine("dask").executor(1):
        pass


def test_tasks_take_a_gpu_each_where_the_workers_declare_them(clusters: Any, tmp_path: Path) -> None:
    with clusters.dask(tmp_path, workers=1, resources="GPU=1") as cluster:
        begun = time.monotonic()
        with engine(cluster).executor(2, device="cuda") as executor:
            assert executor is not None and executor._inner._kwargs["resources"] == {"GPU": 1}
            assert sorted(run_all(abs, [-1, -2], executor=executor)) == [1, 2]
        assert time.monotonic() - begun < 60
