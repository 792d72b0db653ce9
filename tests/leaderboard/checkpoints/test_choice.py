"""Which checkpoint is chosen, and what is said where nothing can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboard.checkpoints.choice import Judged, checkpoints_of, choose
from medbench.errors import NoNumberError, SpecError


@pytest.mark.parametrize(
    ("folders", "names", "steps"),
    [
        (["run/step-200/samples", "run/step-50/samples"], ["step-50", "step-200"], [50, 200]),
        (["e2-s10", "e1-s20"], ["e2-s10", "e1-s20"], [10, 20]),
        (["best/out", "last/out"], ["best", "last"], [None, None]),
        (["a1/x/s", "a1/y2/s"], ["x", "y2"], [None, None]),
        (["v1/a", "v1/b/c"], ["a", "b-c"], [None, None]),
        (["1/a", "2/b"], ["1-a", "2-b"], [1, 2]),
        (["s", "s/late-7"], ["s", "late-7"], [None, None]),
    ],
)
def test_checkpoints_are_known_by_what_differs(folders: list[str], names: list[str], steps: list[int | None]) -> None:
    found = checkpoints_of([Path(folder) for folder in folders])
    assert [one.name for one in found] == names
    assert [one.step for one in found] == steps


@pytest.mark.parametrize(("folders", "said"), [(["a"], "two folders of samples or more"), (["a", "b/../a"], "twice")])
def test_one_folder_is_no_choice(folders: list[str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        checkpoints_of([Path(folder) for folder in folders])


def test_the_best_value_is_chosen_and_what_is_not_told_apart_is_named(judged: Any, tmp_path: Path) -> None:
    found = choose(judged(9.0, 1.02, None, 1.0, 5.0), None, tmp_path)
    assert (found.metric, found.checkpoint.name, found.ties) == ("fid25d", "c3", ("c1",))


def test_higher_may_be_better(judged: Any, tmp_path: Path) -> None:
    assert choose(judged(0.1, 0.9, metric="prdc25d"), "prdc25d", tmp_path).checkpoint.name == "c1"


def test_a_metric_that_is_not_there_is_refused(judged: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no checkpoint has a number of 'hu': choose by fid25d"):
        choose(judged(1.0, 2.0), "hu", tmp_path)
    with pytest.raises(NoNumberError):
        choose(judged(None, None), None, tmp_path)


def test_values_of_different_protocols_are_not_chosen_among(judged: Any, make_result: Any, tmp_path: Path) -> None:
    first, second = judged(1.0, 2.0)
    other = make_result("fid25d", 0.5, protocol={"compared": ["lung"]}, cases=None)
    assert second.report is not None
    second = Judged(second.checkpoint, second.report.model_copy(update={"results": (other,)}))
    with pytest.raises(SpecError, match="--choose-by"):
        choose([first, second], None, tmp_path)


def test_a_single_number_is_its_own_best(judged: Any, tmp_path: Path) -> None:
    found = choose(judged(None, 3.0), None, tmp_path)
    assert (found.checkpoint.name, found.ties) == ("c1", ())
