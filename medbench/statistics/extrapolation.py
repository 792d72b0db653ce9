"""A statistic at more subjects than there are: carried on along 1/N, as FID-infinity does.

What a distance between two finite sets of one population owes to their size falls about as 1/N. Two sizes show the
slope; a third, larger by a factor of two or so, lies on the same line.

Source: Chong, Forsyth 2020, Effectively unbiased FID and Inception score, arXiv:1911.07023, section 3.
"""

from __future__ import annotations

FEWEST_CARRIED = 6
"""Fewest volumes on a side from which a line may start: below, a distance of few volumes rises faster than 1/N."""

LARGEST_STEP = 2.5
"""Most times more volumes to which a line is carried on."""


def carried_on(near: float, far: float, *, near_count: float, far_count: float, count: float) -> float:
    """Return the value at ``count`` subjects, on the line in 1/N through the values at two smaller counts.

    Args:
        near: value at ``near_count`` subjects.
        far: value at ``far_count`` subjects, fewer.
        near_count: above ``far_count``.
        far_count: above 0.
        count: ``near_count`` or more.

    Example:
        >>> round(carried_on(2.0, 3.0, near_count=8, far_count=4, count=16), 6)
        1.5
    """
    slope = (far - near) / (1.0 / far_count - 1.0 / near_count)
    return near + slope * (1.0 / count - 1.0 / near_count)
