import threading
from contextlib import closing

import pytest
import torch

from medbench.errors import DataError
from medbench.training.ahead import loaded_ahead, pinned


def test_steps_come_in_order_and_few_wait() -> None:
    begun: list[int] = []

    def load(index: int) -> int:
        begun.append(index)
        return 10 * index

    for taken, loaded in enumerate(loaded_ahead(load, range(3, 20), steps=2)):
        assert loaded == 10 * (3 + taken)
        assert len(begun) <= taken + 3  # the present one and two more
    assert begun == list(range(3, 20))


def test_the_next_step_is_loaded_while_one_is_taken() -> None:
    loaded, main = [threading.Event() for _ in range(4)], threading.get_ident()

    def load(index: int) -> int:
        loaded[index].set()
        return threading.get_ident()

    for index, thread in enumerate(loaded_ahead(load, range(4))):
        assert thread != main
        assert loaded[min(index + 1, 3)].wait(timeout=30)


def test_an_error_is_raised_in_its_place_and_nothing_is_loaded_after_the_end() -> None:
    def load(index: int) -> int:
        if index == 2:
            raise DataError("volumes-train.npy is damaged: begin anew with --no-resume")
        return index

    found = []
    with pytest.raises(DataError, match="begin anew with --no-resume"):
        for loaded in loaded_ahead(load, range(100)):
            found.append(loaded)
    assert found == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_a_training_that_stops_early_leaves_no_thread() -> None:
    with closing(loaded_ahead(lambda index: index, range(100))) as steps:
        assert next(steps) == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_tensors_in_containers_are_pinned_and_other_things_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 1)  # a machine without a GPU has none
    source, zero = torch.Generator(), torch.zeros(2)
    [(kept, one)], number, named = pinned(([(source, zero)], 7, {"noise": zero}))
    assert kept is source
    assert number == 7
    assert one.tolist() == named["noise"].tolist() == [1.0, 1.0]
