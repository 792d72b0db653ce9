"""What is gathered for many comparisons is what each would gather alone."""

from dataclasses import replace

import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.metrics.together import Pair, Together


def test_alone_is_one_comparison_of_two_whole_sides(make_side):
    together = Together.alone(make_side(3), make_side(2), intervals=True)
    [pair] = together.pairs
    assert [places.tolist() for places in pair] == [[0, 1, 2], [3, 4]]
    assert together.side_of.tolist() == [0, 0, 0, 1, 1]


def test_subjects_of_two_sides_are_never_one(make_side):
    """A sample may bear a patient's name."""
    together = Together.alone(make_side(3, subjects=["b", "a", "b"]), make_side(2, subjects=["a", "b"]), intervals=True)
    assert together.owners.tolist() == [1, 0, 1, 2, 3]


def test_gathering_happens_once_and_each_takes_its_own(make_side, make_evidence):
    calls = []

    def gather(together):
        calls.append(len(together.pairs))
        return [len(pair.real) for pair in together.pairs]

    side = make_side(4)
    pairs = [Pair(np.arange(size), np.arange(4, 6), intervals=False) for size in (4, 3, 2)]
    together = Together((side, make_side(2)), pairs)
    evidence = make_evidence(side, make_side(2))

    turns = [replace(evidence, together=together, turn=turn) for turn in range(3)]
    assert [one.shared("sizes", gather) for one in turns] == [4, 3, 2]
    assert calls == [3]
    assert evidence.shared("sizes", gather) == 4
    assert calls == [3, 1]


def test_a_volume_that_breaks_all_together_leaves_those_without_it(make_side, make_evidence):
    """A held-out volume whose features are not finite costs the floor, not the value."""

    def gather(together):
        if len(together.pairs) > 1:
            raise Unavailable("not finite")
        return [1.0]

    side = make_side(2)
    evidence = make_evidence(side, side)
    together = Together((side, side), [Pair(np.arange(2), np.arange(2, 4), intervals=False)] * 2)
    assert replace(evidence, together=together).shared("any", gather) == 1.0

    def broken(together):
        raise Unavailable("weights")

    with pytest.raises(Unavailable, match="weights"):
        replace(evidence, together=together).shared("other", broken)
