"""The largest shape in given proportions that fits."""

import math
import time

import pytest

from medbench.budget.search import Largest, largest_shape
from medbench.errors import DataError

Shape = tuple[int, int, int]
GIB = 2**30


@pytest.mark.parametrize("most", [32**3 // 2, 64**3 // 2, 100**3 // 2, 128**3 // 2, 400**3 // 2, 10**30])
@pytest.mark.parametrize("smallest", [0, 64])
@pytest.mark.parametrize("context", [0, 10**5])
def test_the_largest_shape_is_found(most: int, smallest: int, context: int) -> None:
    def peak(shape: Shape) -> float:
        if any(size % 16 for size in shape) or shape[0] < smallest:
            raise DataError("no multiple of 16, or too small")
        return math.prod(shape) + context

    wanted = [size for size in range(32, 513, 32) if size**3 // 2 <= most and size >= smallest]
    found = largest_shape((128, 128, 64), peak, most + context)
    largest = (wanted[-1], wanted[-1], wanted[-1] // 2) if wanted else None
    assert found == Largest(largest, exact=wanted[-1:] != [512])  # four times as large: the end of the range


@pytest.mark.parametrize("limit", [100, 128, 300, 600, 2000])
def test_sizes_may_be_powers_of_two_alone(limit: int) -> None:
    def peak(shape: Shape) -> float:
        if shape[0] not in (128, 256, 512, 1024):
            raise DataError("a power of two")
        return float(shape[0])

    wanted = [size for size in (128, 256, 512, 1024) if size <= limit]
    assert largest_shape((256, 256, 256), peak, limit).shape == ((wanted[-1],) * 3 if wanted else None)


def test_there_may_be_no_shape_that_fits() -> None:
    assert largest_shape((64, 64, 32), lambda shape: 2.0, 1.0) == Largest(None, exact=True)


@pytest.mark.parametrize(
    "growth", [lambda voxels: voxels * 100 + GIB, lambda voxels: voxels**2 / 1e6, lambda _: 9 * GIB]
)
def test_few_shapes_are_asked_about(growth) -> None:
    asked = []

    def peak(shape: Shape) -> float:
        if any(size % 8 for size in shape):
            raise DataError("no multiple of 8")
        asked.append(shape)
        return growth(math.prod(shape))

    found = largest_shape((512, 512, 256), peak, 24 * GIB)
    assert found.exact or found.shape == (2048, 2048, 1024)
    assert found.shape is not None and growth(math.prod(found.shape)) <= 24 * GIB
    assert len(asked) <= 9
    assert len(set(asked)) == len(asked)


def test_a_search_without_time_says_that_a_larger_shape_may_fit() -> None:
    def peak(shape: Shape) -> float:
        time.sleep(0.02)
        return math.prod(shape)

    found = largest_shape((64, 64, 64), peak, 300.0**3, seconds=0.05)
    assert found.shape is not None and min(found.shape) >= 64
    assert not found.exact


def test_without_time_nothing_is_said_to_fit_that_was_not_asked_about() -> None:
    assert largest_shape((64, 64, 64), lambda shape: math.prod(shape), 32.0**3, seconds=0.0) == Largest(
        None, exact=False
    )
