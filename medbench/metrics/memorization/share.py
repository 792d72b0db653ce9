"""The share of samples that are copies, from their ranks among held-out real volumes: exact at any counts.

A sample counts as near where its ratio lies below the j-th smallest of h held-out subjects. Strangers lie there, too:
with a probability F that nobody knows, but whose distribution is Beta(j, h + 1 - j) whatever the data are. With a share
p of copies, all of them near, a sample is near with probability p + (1 - p) F, and the number of near ones among m is
binomial. Without copies it is beta-binomial: the precedence test.

Source: Nelson 1963, Tables for a precedence life test, Technometrics 5:491; David, Nagaraja, Order Statistics, 3rd ed.,
section 2.3 (distribution of F).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TAIL = 0.025
_NODES = 2000
_SUBJECTS_A_RANK = 50


@dataclass(frozen=True)
class Ranks:
    """How many held-out subjects make the threshold, and at which rank.

    Args:
        held_out: their number.
        samples: subjects that are judged.
    """

    held_out: int
    samples: int

    @property
    def rank(self) -> int:
        """The rank j of the threshold among the held-out ratios: about 2 % of them, the smallest at least."""
        return 1 + self.held_out // _SUBJECTS_A_RANK

    @property
    def expected(self) -> float:
        """The share of strangers below the threshold, on average."""
        return self.rank / (self.held_out + 1)

    def share(self, near: int) -> float:
        """Return the share of copies that ``near`` samples below the threshold speak for, 0 at least.

        Example:
            >>> round(Ranks(held_out=19, samples=20).share(11), 3)  # one in twenty strangers is near
            0.526
        """
        return max(0.0, (near / self.samples - self.expected) / (1.0 - self.expected))

    def interval(self, near: int) -> tuple[float, float]:
        """Return the exact 95 % interval of the share of copies.

        It holds the chance in which held-out volumes and samples were drawn; its lower end is above 0 in 2.5 % of cases
        where there are no copies, and seldomer.

        Example:
            >>> [round(end, 2) for end in Ranks(held_out=16, samples=16).interval(8)]
            [0.17, 0.75]
        """
        from scipy.optimize import brentq
        from scipy.stats import beta, binom

        chance = beta.ppf((np.arange(_NODES) + 0.5) / _NODES, self.rank, self.held_out + 1 - self.rank)

        def at_most(count: int, share: float) -> float:
            return float(binom.cdf(count, self.samples, share + (1.0 - share) * chance).mean())

        low, high = 0.0, 1.0
        if 1.0 - at_most(near - 1, 0.0) <= _TAIL:
            low = brentq(lambda share: 1.0 - at_most(near - 1, share) - _TAIL, 0.0, 1.0)
        if near < self.samples and at_most(near, 0.0) > _TAIL:
            high = brentq(lambda share: at_most(near, share) - _TAIL, 0.0, 1.0)
        return low, high

    @property
    def fewest_shown(self) -> int | None:
        """The fewest near samples that chance alone seldom gives: with these the interval lies above 0; None: none do.

        Example:
            >>> Ranks(held_out=88, samples=88).fewest_shown, Ranks(held_out=8, samples=16).fewest_shown
            (8, 8)
        """
        from scipy.stats import betabinom

        counts = np.arange(self.samples + 1)
        by_chance = betabinom.sf(counts - 1, self.samples, self.rank, self.held_out + 1 - self.rank)
        shown = np.flatnonzero(by_chance <= _TAIL)
        return int(shown[0]) if len(shown) else None


def smallest_by_subject(ratios: np.ndarray, subjects: Sequence[str]) -> np.ndarray:
    """Return the smallest ratio of each subject, in the order of their names: a patient is near if any volume is.

    Args:
        ratios: (volumes,).
        subjects: of the volumes.
    """
    names, owner = np.unique(np.asarray(subjects), return_inverse=True)
    found = np.full(len(names), np.inf)
    np.minimum.at(found, owner, ratios)
    return found
