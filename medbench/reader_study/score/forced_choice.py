"""Two-alternative forced choice: how often the real case is chosen, and whether that is chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.reader_study.key import REAL
from medbench.reader_study.score.criteria import MARGIN, Difference, Standing, adjusted
from medbench.reader_study.score.unblind import Unblinded
from medbench.statistics.areas import Ratings
from medbench.statistics.crossed import Spread, mean_spread
from medbench.statistics.proportions import Share, share_of

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 0.5


def choices(scored: Unblinded) -> dict[tuple[str, str], Ratings]:
    """Return for each kind of pair, (first, other), the choices: 1 where the first was chosen.

    Args:
        scored: a forced choice.
    """
    (criterion,) = (criterion.id for criterion in scored.study.criteria)
    rows = scored.once[scored.once[criterion].notna()]
    found: dict[tuple[str, str], Ratings] = {}
    for (first, model), part in rows.groupby(["first", "model"]):
        values = part[criterion].to_numpy(np.float64)
        found[str(first), str(model)] = Ratings(values, part["reader"].tolist(), part["trial"].tolist())
    return found


def preference(ratings: Ratings) -> tuple[Share, Spread]:
    """Return how often the first of the two was chosen, and how far that varies.

    Args:
        ratings: of two pairs or more.
    """
    spread = mean_spread(ratings.values, readers=ratings.readers, cases=ratings.cases)
    value = float(ratings.values.mean())
    return share_of(value, len(ratings.values), spread, cases=len(set(ratings.cases))), spread


def among_these_readers(ratings: Ratings) -> Share:
    """Return the same share with the trials it is worth if only cases vary.

    Against chance this is enough: where nothing is to be seen, no reader has skill, and readers cannot differ.

    Args:
        ratings: of two pairs or more.
    """
    spread = mean_spread(ratings.values, readers=[""] * len(ratings.values), cases=ratings.cases)
    return share_of(float(ratings.values.mean()), len(ratings.values), spread, cases=len(set(ratings.cases)))


def chosen(ratings: Ratings) -> Standing:
    """Return how often the second of the two, the model's case, was taken for the more real one.

    Args:
        ratings: of two pairs or more.
    """
    share, spread = preference(Ratings(1 - ratings.values, ratings.readers, ratings.cases))
    q1, median, q3 = np.quantile(1 - ratings.values, [0.25, 0.5, 0.75]).tolist()
    firsts = int(ratings.values.sum())
    return Standing(
        n=len(ratings.values),
        cases=len(set(ratings.cases)),
        mean=share.value,
        mean_ci95=share.interval(),
        median=median,
        iqr=(q1, q3),
        share=share.value,
        ci95=share.interval(),
        method=f"Clopper-Pearson at {share.trials:.1f} effective trials; {spread.method}",
        counts=(firsts, len(ratings.values) - firsts),
    )


def preferences(scored: Unblinded) -> list[Difference]:
    """Return the exact tests of chance, with Holm's adjustment over all kinds of pairs.

    Args:
        scored: a forced choice.
    """
    (criterion,) = (criterion.id for criterion in scored.study.criteria)
    found = []
    for (first, model), ratings in choices(scored).items():
        if len(set(ratings.cases)) < 2:
            continue
        share, spread = preference(ratings)
        # Of two models, readers may prefer either: that nobody prefers one on average is a claim about readers.
        tested, varied = (among_these_readers(ratings), "cases vary") if first == REAL else (share, spread.method)
        p_value, equal = tested.p_value(CHANCE), share.equivalence_p(CHANCE, margin=MARGIN)
        test = f"exact binomial at {tested.trials:.1f} effective trials, {varied}"
        found.append(Difference(criterion, first, model, share.value, share.interval(), p_value, p_value, equal, test))
    return adjusted(found)


def left_share(table: pd.DataFrame, criterion: str) -> float:
    """Return how often the left side was chosen: far from one half, a reader prefers a side.

    Args:
        table: rows of a forced choice in which the criterion was answered, one or more.
        criterion: its id.
    """
    return float(np.mean((table[criterion] == 1.0) == (table["left"] == table["first"])))
