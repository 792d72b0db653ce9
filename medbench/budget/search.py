"""The largest shape that fits: integer search over shapes of one proportion, guided by how memory grows with volume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from medbench.errors import DataError

_LONGEST_AXIS: Final = 4096
_GUIDED: Final = 6  # guesses by growth before every other one halves what is left
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Largest:
    """What a search found.

    Args:
        shape: the largest that was seen to fit; None where none was.
        exact: the next larger one was seen not to fit; False where the search came to the end of its time or range.
    """

    shape: Shape | None
    exact: bool


def largest_shape(
    shape: Shape, peak: Callable[[Shape], float], limit_bytes: float, *, seconds: float = math.inf
) -> Largest:
    """Return the largest shape in the proportions of ``shape`` that fits.

    It grows and shrinks by the smallest step that suits the generator; of shapes between that suit nobody it takes the
    next smaller one.

    Args:
        shape: voxels (x, y, z) that suit the generator; no axis of what is tried exceeds 4096 or four times its size.
        peak: returns the bytes that a shape needs; raises DataError for one that does not suit the generator.
        limit_bytes: what there is.
        seconds: no further shape is asked about where the answer may come later.
    """
    whole = math.gcd(*shape)

    def of_scale(scale: int) -> float | None:
        try:
            return peak(_scaled(shape, scale))
        except DataError:
            return None

    asked = _Asked(of_scale, seconds)
    asked.at(whole)
    step = _step(whole, asked)
    # In steps: up to ``low`` it fits or suits nobody; ``high`` does not fit or is too large to ask.
    low, high, best = 0, min(4 * whole, _LONGEST_AXIS * whole // max(shape)) // step + 1, 0
    too_large, guess, count = high, whole // step, 0
    while high - low > 1 and (asked.has_time() or count == 0):
        guess = min(max(guess, low + 1), high - 1)
        suiting = next((one for one in range(guess, low, -1) if asked.at(one * step) is not None), None)
        if suiting is None:
            low = guess
        elif asked.fits(suiting * step, limit_bytes):
            low, best = guess, suiting
        else:
            high = suiting
        count += 1
        guess = asked.guess(limit_bytes) // step if count < _GUIDED or count % 2 else (low + high) // 2
    return Largest(_scaled(shape, best * step) if best else None, exact=high - low <= 1 and high < too_large)


def _scaled(shape: Shape, scale: int) -> Shape:
    whole = math.gcd(*shape)
    x, y, z = (size // whole * scale for size in shape)
    return x, y, z


def _step(whole: int, asked: _Asked) -> int:
    """Return the smallest divisor of the scale by which a shape may grow or shrink."""
    steps = (step for step in range(1, whole + 1) if whole % step == 0)
    found = (step for step in steps if any(asked.suits(scale) for scale in (whole + step, whole - step)))
    return next(found, whole)


@dataclass
class _Asked:
    """What was asked so far: the peak by scale, None where the shape does not suit."""

    peak: Callable[[int], float | None]
    seconds: float
    found: dict[int, float | None] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    longest: float = 0.0

    def at(self, scale: int) -> float | None:
        if scale not in self.found:
            before = time.monotonic()
            self.found[scale] = self.peak(scale)
            self.longest = max(self.longest, time.monotonic() - before)
        return self.found[scale]

    def suits(self, scale: int) -> bool:
        return scale > 0 and self.at(scale) is not None

    def fits(self, scale: int, limit_bytes: float) -> bool:
        needed = self.at(scale)
        return needed is not None and needed <= limit_bytes

    def has_time(self) -> bool:
        return time.monotonic() - self.begun + self.longest <= self.seconds

    def guess(self, limit_bytes: float) -> int:
        """Return the scale at which a peak that grows with the volume would reach the limit, from the two nearest."""
        peaks = ((scale, peak) for scale, peak in self.found.items() if peak is not None)
        known = sorted(peaks, key=lambda one: (abs(one[1] - limit_bytes), -one[0]))
        if not known:
            return max(self.found) * 2
        scale, peak = known[0]
        slope = peak / scale**3
        for other, value in known[1:2]:
            slope = (value - peak) / (other**3 - scale**3)
        if slope <= 0:  # it is computed in more parts as it grows
            return 2 * scale if peak <= limit_bytes else scale // 2
        voxels = max(0.0, scale**3 + (limit_bytes - peak) / slope)
        return math.floor(math.cbrt(voxels))
