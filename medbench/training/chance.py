"""Chance of a training step, sample by sample: it does not matter how a batch is divided among processes and passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch  # noqa: TID253  this module is imported only by what trains

# Of how random numbers follow from seed, step and sample; a state that was left under other rules is not resumed.
RULES = 2


@dataclass(frozen=True)
class Samples:
    """The chance of some samples of a step's batch.

    Args:
        places: where they stand in the batch, all processes and passes taken together.
        total: samples of that batch.
        sources: one for each sample.
        common: what the samples share; its draws are the same on all processes and in all passes of a step.
    """

    places: range
    total: int
    sources: tuple[torch.Generator, ...]
    common: torch.Generator

    def __len__(self) -> int:
        return len(self.places)

    def each(self, draw: Callable[[torch.Generator], torch.Tensor]) -> torch.Tensor:
        """Return what is drawn for each sample, stacked."""
        return torch.stack([draw(source) for source in self.sources])

    def normal(self, *shape: int) -> torch.Tensor:
        """Return standard normal numbers (n, *shape)."""
        return self.each(lambda source: torch.randn(shape, generator=source))

    def uniform(self, *shape: int) -> torch.Tensor:
        """Return numbers (n, *shape) in 0..1."""
        return self.each(lambda source: torch.rand(shape, generator=source))

    def integers(self, high: int, *shape: int) -> torch.Tensor:
        """Return integers (n, *shape) from 0 to below ``high``."""
        return self.each(lambda source: torch.randint(high, shape, generator=source))

    def stratified(self) -> torch.Tensor:
        """Return a number (n,) float64 in 0..1 for each sample, from the part of the range that is its place's.

        Drawn so, a batch's loss varies less than with independent times; over many batches all times are as likely.

        Source: Kingma et al. 2021 (arXiv 2107.00630), appendix I.1.
        """
        shift = torch.rand(1, generator=self.common, dtype=torch.float64)
        return (shift + torch.tensor(self.places)) / self.total


@dataclass(frozen=True)
class Chance:
    """Where the random numbers of one step come from, on one of several processes.

    Process r of w with batch b has the places r b to (r + 1) b of a batch of w b samples: the same random numbers as
    those samples have where one process trains on all.

    Args:
        seed: of the training.
        step: index of the step.
        process: this one's number.
        processes: how many there are.
        use: names further random numbers, beside those of the step's batch.

    >>> one, two = (Chance(seed=0, step=5, process=rank, processes=2).batches(3)[0] for rank in (0, 1))
    >>> whole = Chance(seed=0, step=5).batches(6)[0]
    >>> torch.equal(torch.cat([one.normal(4), two.normal(4)]), whole.normal(4))
    True
    """

    seed: int
    step: int
    process: int = 0
    processes: int = 1
    use: str = ""

    def of(self, use: str) -> Chance:
        """Return the source of further random numbers."""
        return replace(self, use=use)

    def common(self) -> torch.Generator:
        """Return a new source of what all samples share, the same on all processes."""
        return self._source(0)

    def batches(self, size: int, count: int = 1) -> list[Samples]:
        """Return this process' samples in each of ``count`` passes, ``size`` in each.

        Args:
            size: samples that one process sees in a pass.
            count: passes of the step.
        """
        together = size * self.processes
        starts = [number * together + self.process * size for number in range(count)]
        return [self.samples(range(start, start + size), total=count * together) for start in starts]

    def samples(self, places: range, *, total: int) -> Samples:
        """Return the samples at some places of a batch of ``total``."""
        return Samples(places, total, tuple(self._source(1 + place) for place in places), self.common())

    def _source(self, number: int) -> torch.Generator:
        digest = hashlib.sha256(f"medbench training {self.seed} {self.step} {number}{self.use}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
