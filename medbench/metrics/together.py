"""Comparisons that a metric makes of the same volumes: what they share is gathered once for all of them.

The value, the splits behind its floor and the parts of the training split all compare sets of the same volumes. A
metric whose sums are expensive asks for them through ``Evidence.shared``: they are then made for all of these sets in
one pass over the features, and each comparison takes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medbench.errors import Unavailable
from medbench.statistics.resampling import groups_of

if TYPE_CHECKING:
    from medbench.metrics.evidence import Side

Found = TypeVar("Found")
Gather = Callable[["Together"], Sequence[Found]]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two sets of volumes that are compared.

    Args:
        real: (n,) places of the reference in the pool, in the order of its side.
        synthetic: (m,) places of what is judged, likewise.
        intervals: whether more than the value is wanted.
    """

    real: np.ndarray
    synthetic: np.ndarray
    intervals: bool

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield both sets: the reference first."""
        yield self.real
        yield self.synthetic


@dataclass(eq=False)
class Together:
    """All comparisons that are made of a pool of volumes.

    Args:
        pool: sides that hold each volume once; places count through one after the other. A set lies in one of them.
        pairs: what is compared.
    """

    pool: Sequence[Side]
    pairs: Sequence[Pair]
    _found: dict[str, Sequence[Any] | None] = field(default_factory=dict)

    @classmethod
    def alone(cls, real: Side, synthetic: Side, *, intervals: bool) -> Together:
        """Return a single comparison, of two whole sides."""
        n, m = len(real.ids), len(synthetic.ids)
        return cls((real, synthetic), (Pair(np.arange(n), n + np.arange(m), intervals),))

    @cached_property
    def side_of(self) -> np.ndarray:
        """The side of the pool that holds each volume: (volumes,)."""
        return np.repeat(np.arange(len(self.pool)), [len(side.ids) for side in self.pool])

    @cached_property
    def owners(self) -> np.ndarray:
        """A number for the subject of each volume: (volumes,). It rises with the name, and no two sides share one."""
        found: list[np.ndarray] = []
        for side in self.pool:
            _, index = np.unique(np.asarray(side.subjects), return_inverse=True)
            found.append(index + (found[-1].max() + 1 if found else 0))
        return np.concatenate(found)

    def mask(self, places: np.ndarray) -> np.ndarray:
        """Return a set as a mask over all volumes: (volumes,)."""
        found = np.zeros(len(self.side_of), dtype=bool)
        found[places] = True
        return found

    def groups(self, places: np.ndarray, most: int) -> np.ndarray:
        """Return a set's groups of whole subjects, as ``groups_of`` deals them: masks (groups, volumes)."""
        group = groups_of(self.owners[places].tolist(), most=most)
        return np.array([self.mask(places[group == one]) for one in range(group.max() + 1)])

    def gathered(self, what: str, gather: Gather[Found]) -> Sequence[Found] | None:
        """Return what a function makes of all comparisons, one entry each; it is called once.

        Args:
            what: names it among all that is gathered here.
            gather: the function.

        Returns:
            None where it raises ``Unavailable``: a volume that some comparisons do without may be to blame.
        """
        if what not in self._found:
            try:
                self._found[what] = gather(self)
            except Unavailable:
                self._found[what] = None
        return self._found[what]
