"""One item is made while the one before it is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from medbench.engines.ahead import ahead


@pytest.mark.parametrize("most", [1, 2])
def test_items_keep_their_order_and_the_next_are_made_meanwhile(most: int) -> None:
    made = [threading.Event() for _ in range(5)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items(), most=most):
        assert all(event.wait(10) for event in made[: number + 1 + most])
        assert not any(event.is_set() for event in made[number + 1 + most :])


def test_no_items_are_none() -> None:
    assert list(ahead([])) == []


def test_what_making_an_item_raises_comes_after_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="no more"):
        next(coming)


def test_an_iteration_given_up_leaves_no_thread() -> None:
    before = threading.active_count()
    coming = ahead(range(5))
    next(coming)
    coming.close()
    assert threading.active_count() == before
