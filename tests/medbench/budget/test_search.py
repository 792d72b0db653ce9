"""The largest shape in given proportions that fits."""

import math

import pytest

from medbench.budget.search import largest_shape
from medbench.errors import DataError


@pytest.mark.parametrize("most", [32**3 // 2, 64**3 // 2, 100**3 // 2, 128**3 // 2, 400**3 // 2, 10**30])
@pytest.mark.parametrize("smallest", [0, 64])
def test_the_largest_shape_is_found(most: int, smallest: int) -> None:
    def fits(shape: tuple[int, int, int]) -> bool:
        if any(size % 16 for size in shape) or shape[0] < smallest:
            raise DataError("no multiple of 16, or too small")
        return math.prod(shape) <= most

    wanted = [size for size in range(32, 513, 32) if size**3 // 2 <= most and size >= smallest]
    found = largest_shape((128, 128, 64), fits)
    assert found == ((wanted[-1], wanted[-1], wanted[-1] // 2) if wanted else None)


def test_there_may_be_no_shape_that_fits() -> None:
    assert largest_shape((64, 64, 32), lambda shape: False) is None
