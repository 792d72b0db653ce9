"""How well facts tell sources apart: cross-validated classifiers, and each fact by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from medbench.statistics.multiple_tests import holm

if TYPE_CHECKING:
    import pandas as pd

FEWEST: Final = 4
"""Cases of each source that a cross-validation needs."""

_FOLDS, _ROUNDS, _TREES = 5, 2, 30
_MOST_EXACT: Final = 200


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells the sources of cases that it has not seen.

    Args:
        auc: mean over folds and sources of the area under the ROC curve of one source against the rest; 0.5 is chance.
        ci95: over the folds, corrected for what they share.
    """

    auc: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Telling:
    """One fact against one source.

    Args:
        fact: its name.
        source: the source against the rest.
        auc: area of the fact's ranks, 0.5 or more: either direction tells.
        p_value: two-sided rank test, adjusted by Holm over all facts and sources.
    """

    fact: str
    source: str
    auc: float
    p_value: float


def cross_validate(facts: pd.DataFrame, sources: Sequence[str], *, groups: Sequence[str]) -> Separation | None:
    """Return how well the mean of a logistic regression and a random forest tells the sources from the facts.

    Args:
        facts: (cases, facts); texts become indicators.
        sources: of each case, two or more.
        groups: of each case; cases of one group are never on both sides of a fold (the two of a pair share a place).

    Returns:
        None where a source has fewer than four cases, or there is one source.
    """
    labels = np.asarray(sources)
    names, sizes = np.unique(labels, return_counts=True)
    if len(names) < 2 or sizes.min() < FEWEST:
        return None
    if not facts.shape[1]:
        return Separation(0.5, (0.5, 0.5))
    areas, ratio = _held_out_areas(_numbers(facts).to_numpy(np.float64), labels, np.asarray(groups))
    return Separation(float(areas.mean()), _interval(areas, ratio))


def each_fact(facts: pd.DataFrame, sources: Sequence[str]) -> list[Telling]:
    """Return how well every fact by itself tells every source from the rest, the best first; one source has no rest."""
    labels, numbers = np.asarray(sources), _numbers(facts)
    names = np.unique(labels)
    found: list[tuple[str, str, float, float]] = []
    for fact, values in zip(numbers.columns, numbers.to_numpy(np.float64).T):
        for source in names if len(names) > 2 else names[:-1]:  # of two, one against the other says it all
            inside, rest = values[labels == source], values[labels != source]
            auc = _auc(inside, rest)
            found.append((str(fact), str(source), max(auc, 1 - auc), _rank_p(inside, rest)))
    adjusted = holm([p for *_, p in found])
    tellings = [Telling(fact, source, auc, p) for (fact, source, auc, _), p in zip(found, adjusted) if p is not None]
    return sorted(tellings, key=lambda telling: (telling.p_value, -telling.auc))


def _numbers(facts: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.get_dummies(facts, dtype=float)


def _held_out_areas(values: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean area of one source against the rest in each fold of several rounds, on cases not fitted with.

    Probabilities of different folds have different offsets; pooled, they would push chance below 0.5.

    Returns:
        (folds,) areas, and how many cases a fold holds out for each that it is fitted with.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    names, sizes = np.unique(labels, return_counts=True)
    count, areas = min(_FOLDS, int(sizes.min())), []
    for seed in range(_ROUNDS):
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        for known, unknown in folds.split(values, labels, groups):
            if len(set(labels[known])) < len(names) or len(set(labels[unknown])) < 2:
                continue  # groups may leave a fold without one of the sources
            scores = sum(m.fit(values[known], labels[known]).predict_proba(values[unknown]) for m in _models(seed))
            held_out = labels[unknown]
            present = [(i, held_out == name) for i, name in enumerate(names) if name in held_out]
            areas.append(np.mean([_auc(scores[own, i], scores[~own, i]) for i, own in present]))
    return np.array(areas), 1 / (count - 1)


def _models(seed: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        RandomForestClassifier(_TREES, min_samples_leaf=2, random_state=seed),
    ]


def _auc(inside: np.ndarray, rest: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([inside, rest]))[: len(inside)].sum()
    return float((ranks - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(rest)))


def _rank_p(inside: np.ndarray, rest: np.ndarray) -> float:
    from scipy.stats import mannwhitneyu

    together = np.concatenate([inside, rest])
    if np.ptp(together) == 0:
        return 1.0
    # Without ties the exact test holds for however few cases; the normal approximation is too cautious far out.
    untied = len(np.unique(together)) == len(together) <= _MOST_EXACT
    return float(mannwhitneyu(inside, rest, method="exact" if untied else "asymptotic").pvalue)


def _interval(areas: np.ndarray, ratio: float) -> tuple[float, float]:
    """Return the corrected resampled t interval: folds share their training cases, so that their areas depend.

    Source: Nadeau, Bengio 2003, Inference for the generalization error, Machine Learning 52:239.
    """
    from scipy.stats import t

    half = float(t.ppf(0.975, len(areas) - 1) * np.sqrt((1 / len(areas) + ratio) * areas.var(ddof=1)))
    return max(0.0, float(areas.mean()) - half), min(1.0, float(areas.mean()) + half)
