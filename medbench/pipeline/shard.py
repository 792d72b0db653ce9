"""Shards: one of several commands that each do a part of a run, as the jobs of a plain job array do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from medbench.errors import SpecError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``number`` (from 1) of ``count``: every ``count``-th item."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a text such as ``3/8``.

        Raises:
            SpecError: not two numbers with a slash, or not the number of one of the parts.
        """
        match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise SpecError(f"--shard {text}: give I/N with I from 1 to N, like 3/8")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """The shard as a part of file names."""
        return f"{self.number}of{self.count}"

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the shard's items."""
        return items[self.number - 1 :: self.count]


WHOLE = Shard()
