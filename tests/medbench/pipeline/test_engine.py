"""Work over many items, in this process or over an executor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from medbench.pipeline.engine import available_cores, local, run_all


def test_one_worker_is_this_process() -> None:
    with local(1) as executor:
        assert executor is None
    assert list(run_all(abs, [-1, 2, -3], executor=None)) == [1, 2, 3]
    assert available_cores() >= 1


def test_an_executor_gives_every_result_and_the_first_error() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert sorted(run_all(abs, [-1, 2, -3], executor=executor)) == [1, 2, 3]
        with pytest.raises(TypeError):
            list(run_all(abs, ["a"], executor=executor))  # type: ignore[list-item]
