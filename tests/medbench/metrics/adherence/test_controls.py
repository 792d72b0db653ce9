"""Which other masks make the floor."""

from medbench.metrics.adherence.controls import shifts_of
from medbench.metrics.adherence.overlaps import collect
from medbench.spec import Protocol


def test_shifts_avoid_equal_masks_and_are_the_same_each_time(make_side, anatomy):
    masks = [anatomy(seed % 3) for seed in range(9)]
    side = make_side(9, drawn=masks, seen=masks)
    found = collect(side, Protocol(name="t", summary="t"))
    steps = shifts_of(found)
    assert steps == shifts_of(found)
    assert all(step % 3 for step in steps)
