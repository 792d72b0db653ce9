"""Processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
from types import SimpleNamespace

import psutil
import pytest

from medbench.engines import local as module
from medbench.engines.local import available_cores, local, threads, workers_for
from medbench.engines.work import run_all


def test_one_worker_is_this_process() -> None:
    with local(1) as executor:
        assert executor is None
    assert list(run_all(abs, [-1, 2, -3], executor=None)) == [1, 2, 3]
    assert available_cores() >= 1


def test_a_daemonic_process_does_its_work_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    with local(2) as executor:
        assert executor is None


def test_threads_share_the_process() -> None:
    with threads(1) as executor:
        assert executor is None
    with threads(2) as executor:
        assert set(run_all(lambda _: os.getpid(), [1, 2, 3], executor=executor)) == {os.getpid()}


def test_small_volumes_are_not_worth_a_process_and_memory_bounds_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    large = 512 * 512 * 256
    monkeypatch.setattr(module, "available_cores", lambda: 16)
    available = SimpleNamespace(available=2**40)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    assert workers_for(100 * 64 * 64 * 32, 100) == 1
    assert workers_for(100 * large, 100) == 16
    available.available = 7 * 2**30
    assert 1 < workers_for(100 * large, 100) < 16
    few = workers_for(100 * large, 100)
    assert workers_for(100 * large, 100, 2**31) < few
    available.available = 2**28
    assert workers_for(100 * large, 100) == 1
