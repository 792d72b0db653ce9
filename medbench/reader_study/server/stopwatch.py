"""How long a trial was in view: the sum of the short gaps between signs of life, by a clock that never jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LONGEST_GAP: Final = 30.0
"""Seconds without a sign of life after which nobody is looking; pages send one every few seconds."""


class Stopwatch:
    """The time of one reader by trial, until it is kept.

    Args:
        clock: seconds from any origin that never go back, whatever happens to the time of day.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._counted: dict[str, float] = {}

    def open(self, trial: str) -> None:
        """Begin to count: the trial has just come into view."""
        self._seen[trial] = self._clock()

    def tick(self, trial: str) -> float:
        """Take a sign of life of a trial in view; return its seconds that are not kept yet."""
        now = self._clock()
        gap = now - self._seen.get(trial, now)
        self._seen[trial] = now
        if gap <= LONGEST_GAP:
            self._counted[trial] = self._counted.get(trial, 0.0) + gap
        return self._counted.get(trial, 0.0)

    def keep(self, trial: str) -> None:
        """Forget the seconds that ``tick`` returned last: they are on disk."""
        self._counted.pop(trial, None)
