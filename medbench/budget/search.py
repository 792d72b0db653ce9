"""The largest shape that fits: integer search over shapes of one proportion."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from medbench.errors import DataError

_LONGEST_AXIS: Final = 4096
Shape = tuple[int, int, int]


def largest_shape(shape: Shape, fits: Callable[[Shape], bool]) -> Shape | None:
    """Return the largest shape in the proportions of ``shape`` that fits; None where none does.

    Args:
        shape: voxels (x, y, z) that suit the generator; no axis of what is tried exceeds 4096 or four times its size.
        fits: raises DataError for a shape that does not suit the generator.
    """
    whole = math.gcd(*shape)

    def scaled(scale: int) -> Shape:
        x, y, z = (size // whole * scale for size in shape)
        return x, y, z

    def suits(scale: int) -> bool | None:
        try:
            return fits(scaled(scale))
        except DataError:
            return None

    divisors = (scale for scale in range(1, whole + 1) if whole % scale == 0)
    step = next(scale for scale in divisors if suits(whole + scale) is not None)
    # In steps: up to ``low`` it fits or is too small for the generator; ``high`` does not fit or is too large to ask.
    low, high, best = 0, min(4 * whole, _LONGEST_AXIS * whole // max(shape)) // step + 1, 0
    guess = whole // step
    while high - low > 1:
        found = suits(guess * step)
        if found is False:
            high = guess
        else:
            low, best = guess, guess if found else best
        guess = 2 * low if low < 2 * low < high and high > 4 * low else (low + high) // 2
    return scaled(best * step) if best else None
