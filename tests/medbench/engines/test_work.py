"""Work over many items, in this process or over an executor."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest

from medbench.engines.work import run_all
from medbench.errors import MedbenchError, SpecError


def test_an_executor_gives_every_result_and_the_first_error() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert sorted(run_all(abs, [-1, 2, -3], executor=executor)) == [1, 2, 3]
        with pytest.raises(TypeError):
            list(run_all(abs, ["a"], executor=executor))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (RuntimeError("can't start new thread"), SpecError, "give --workers 1"),
        (BrokenProcessPool(), MedbenchError, "worker process was killed"),
    ],
)
def test_a_machine_without_room_for_workers_says_so(
    error: Exception, kind: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*work: Any) -> Future[int]:
        if isinstance(error, BrokenProcessPool):
            future: Future[int] = Future()
            future.set_exception(error)
            return future
        raise error

    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr(executor, "submit", submit)
        with pytest.raises(kind, match=words):
            list(run_all(abs, [1], executor=executor))
