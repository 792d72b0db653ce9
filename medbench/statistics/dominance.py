"""Whether one subject, or one group of them, makes most of a variance: an interval then rests on little.

Source: Cochran 1941, The distribution of the largest of a set of estimated variances as a fraction of their total,
Annals of Eugenics 11:47.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CHANCE = 0.01
_MOST_NAMED = 4


def dominant(squares: np.ndarray) -> int | None:
    """Return which of the contributions to a variance is larger than in 99 % of normal data; None: none is.

    Args:
        squares: (n,) squared deviations.

    Example:
        >>> dominant(np.array([1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 1.0, 60.0, 1.0]))
        8
        >>> dominant(np.array([1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 1.0, 6.0, 1.0])) is None
        True
    """
    from scipy.stats import f

    count, total = len(squares), float(squares.sum())
    if count < 3 or total == 0:
        return None
    largest = int(squares.argmax())
    limit = 1.0 / (1.0 + (count - 1) / f.isf(_CHANCE / count, 1, count - 1))
    return largest if squares[largest] / total > limit else None


def dominance_notes(squares: np.ndarray, names: Sequence[Sequence[str]], *, side: str) -> tuple[str, ...]:
    """Return a note for the reader of a number where one group of subjects dominates its interval, or none.

    Args:
        squares: (groups,) contributions to the variance.
        names: the subjects of each group.
        side: which subjects they are, such as ``real``.

    Example:
        >>> names = [[f"p{index}"] for index in range(6)]
        >>> dominance_notes(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 99.0]), names, side="real")[0][:44]
        'p5 makes up 95 % of the variance over the re'
    """
    found = dominant(squares)
    if found is None:
        return ()
    share = 100.0 * float(squares[found] / squares.sum())
    whose = ", ".join(names[found][:_MOST_NAMED])
    more = f" and {len(names[found]) - _MOST_NAMED} more" if len(names[found]) > _MOST_NAMED else ""
    verb = "makes" if len(names[found]) == 1 else "make"
    return (
        f"{whose}{more} {verb} up {share:.0f} % of the variance over the {side} subjects: look at their volumes; "
        "where few subjects dominate, an interval may be too narrow",
    )
