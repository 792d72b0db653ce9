"""What a value says, in a few plain words, and nothing where the counts forbid it (docs/statistics.md)."""

from __future__ import annotations

from dataclasses import dataclass

from medbench.records.results import Result


@dataclass(frozen=True)
class Verdict:
    """A verdict on one value.

    Args:
        words: for a table.
        reason: a whole sentence; empty where there is neither a verdict nor anything to say against one.
        given: whether there is a verdict at all.
    """

    words: str
    reason: str
    given: bool = True


DIFFERS = Verdict(
    "differs from real volumes",
    "The whole interval is worse than this floor: the metric sees a difference from real volumes.",
)
NEARER = Verdict(
    "nearer than other real volumes",
    "The whole interval is better than this floor: other real volumes do not come as near.",
)
NO_DIFFERENCE = Verdict(
    "no clear difference",
    "The interval reaches this floor: the metric sees no clear difference from real volumes.",
)
OTHER_COUNTS = Verdict(
    "none: other counts",
    "That floor rests on other numbers of volumes than the value: there is no verdict.",
    given=False,
)
NO_INTERVAL = Verdict("none: no interval", "", given=False)
NO_FLOOR = Verdict("none: no floor of real volumes", "", given=False)


def verdict(result: Result) -> Verdict:
    """Return what a value says beside what real volumes score.

    There is a verdict only where real volumes were scored in place of the samples, at the value's counts or carried on
    to them, and where the value has an interval.
    """
    if result.floor is None or result.ceiling is not None or not result.floor_values:
        return NO_FLOOR  # a metric's own floor is not always what real volumes score
    if result.floor_counts not in ("same", "carried"):
        return OTHER_COUNTS
    if result.ci95 is None:
        return NO_INTERVAL
    best, worst = result.ci95 if result.better == "higher" else result.ci95[::-1]
    sign = 1.0 if result.better == "lower" else -1.0
    if sign * (worst - result.floor) > 0:
        return DIFFERS
    return NEARER if sign * (best - result.floor) < 0 else NO_DIFFERENCE


def copies(result: Result) -> bool:
    """Whether the samples lie nearer to the training split than to the held-out one, beyond chance."""
    found = result.against
    return found is not None and found.gap_limit is not None and found.gap > found.gap_limit
