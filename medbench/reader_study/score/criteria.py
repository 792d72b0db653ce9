"""What each source got by each criterion, and whether sources differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from medbench.reader_study.criteria import Criterion
from medbench.reader_study.score.unblind import Unblinded, numeric
from medbench.statistics.areas import Ratings, area
from medbench.statistics.crossed import mean_spread
from medbench.statistics.multiple_tests import holm
from medbench.statistics.proportions import share_of

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.1
"""Areas and shares this close to 0.5 count as equal."""


@dataclass(frozen=True)
class Standing:
    """The ratings of one source by one criterion.

    Args:
        n: ratings.
        cases: different cases.
        mean: of the numbers; realism counts real as 1 and synthetic as 0.
        mean_ci95: over cases, and readers where there are three; kept within the scale.
        median: of the ratings.
        iqr: lower and upper quartile.
        share: rated real, or given the best answer of a scale.
        ci95: of the share.
        method: of both intervals.
        counts: ratings of each answer, in the order of the options.
    """

    n: int
    cases: int
    mean: float
    mean_ci95: tuple[float, float]
    median: float
    iqr: tuple[float, float]
    share: float
    ci95: tuple[float, float]
    method: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """A test of two sources by one criterion.

    Args:
        criterion: id.
        a: one source.
        b: the other one.
        area: how often a rating of ``a`` is above one of ``b``, ties half (VGC); of pairs: how often ``a`` is chosen.
        ci95: of the area.
        p_value: of the hypothesis that it is 0.5.
        p_adjusted: by Holm, over all tests of the study.
        equivalence_p: of the hypothesis that it lies outside 0.5 ± 0.1: small says equal.
        test: in words.
    """

    criterion: str
    a: str
    b: str
    area: float
    ci95: tuple[float, float]
    p_value: float
    p_adjusted: float
    equivalence_p: float
    test: str


def ratings_of(table: pd.DataFrame, criterion: str, model: str) -> Ratings:
    """Return the ratings of a model by a criterion that were given."""
    rows = table[(table["model"] == model) & table[criterion].notna()]
    return Ratings(rows[criterion].to_numpy(np.float64), rows["reader"].tolist(), rows["trial"].tolist())


def standing(criterion: Criterion, ratings: Ratings) -> Standing:
    """Return what one source got.

    Args:
        criterion: what was asked.
        ratings: of two cases or more.
    """
    values, options = ratings.values, options_of(criterion)
    best = (values == options[-1]).astype(np.float64)
    spread, of_best = (mean_spread(v, readers=ratings.readers, cases=ratings.cases) for v in (values, best))
    cases = len(set(ratings.cases))
    share = share_of(float(best.mean()), len(best), of_best, cases=cases)
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    low, high = spread.interval(float(values.mean()))
    return Standing(
        n=len(values),
        cases=cases,
        mean=float(values.mean()),
        mean_ci95=(max(low, options[0]), min(high, options[-1])),
        median=median,
        iqr=(q1, q3),
        share=share.value,
        ci95=share.interval(),
        method=f"share: Clopper-Pearson at {share.trials:.1f} effective trials; mean: t; {spread.method}",
        counts=tuple(int((values == option).sum()) for option in options),
    )


def options_of(criterion: Criterion) -> list[float]:
    """Return the answers as numbers, worst first: synthetic is 0 and real 1."""
    return sorted(numeric(criterion, value) for value in criterion.values)


def differences(scored: Unblinded) -> list[Difference]:
    """Return the tests of every two sources by every criterion, with Holm's adjustment over all of them.

    Args:
        scored: a rating study.
    """
    found = []
    for criterion in compared(scored):
        ratings = {model: ratings_of(scored.once, criterion.id, model) for model in scored.models}
        for a, b in combinations([model for model, given in ratings.items() if enough(given)], 2):
            if not set(ratings[a].readers) & set(ratings[b].readers):
                continue
            one = area(ratings[a], ratings[b])
            equal = one.equivalence_p(margin=MARGIN)
            found.append(Difference(criterion.id, a, b, one.value, one.ci95, one.p_value, one.p_value, equal, one.test))
    return adjusted(found)


def compared(scored: Unblinded) -> list[Criterion]:
    """Return the criteria by which sources are compared: confidence says how sure a reader is, not of what."""
    return [criterion for criterion in scored.study.criteria if criterion.kind != "confidence"]


def enough(ratings: Ratings) -> bool:
    """Return whether there are two cases: one says nothing of others."""
    return len(set(ratings.cases)) > 1


def adjusted(tests: Sequence[Difference]) -> list[Difference]:
    """Return tests with their p-values adjusted by Holm."""
    return [
        replace(test, p_adjusted=p) for test, p in zip(tests, holm([test.p_value for test in tests])) if p is not None
    ]
