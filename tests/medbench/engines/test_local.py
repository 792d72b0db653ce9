"""Processes of this machine."""

from __future__ import annotations

import multiprocessing

import pytest

from medbench.engines.local import available_cores, local
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
