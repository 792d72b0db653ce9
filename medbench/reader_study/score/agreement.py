"""How far readers agree: with each other, and each with himself where trials were repeated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.errors import MissingExtraError
from medbench.extras import missing
from medbench.reader_study.criteria import Criterion
from medbench.reader_study.score.criteria import options_of
from medbench.reader_study.score.unblind import Unblinded

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 2


@dataclass(frozen=True)
class Agreement:
    """Agreement by one criterion; what is None cannot be had, and ``notes`` says why.

    Args:
        alpha: Krippendorff's alpha of all readers, ordinal for scales and nominal else.
        kappa: mean over pairs of readers of Cohen's kappa, weighted by squared distance.
        same: share of pairs of ratings of one trial by two readers that are equal.
        intra_kappa: the same kappa between a reader's first and second answer to a repeated trial.
        intra_same: share of equal answers to repeated trials.
        repeated: answers to repeated trials.
        notes: reasons.
    """

    alpha: float | None
    kappa: float | None
    same: float | None
    intra_kappa: float | None
    intra_same: float | None
    repeated: int
    notes: tuple[str, ...]


def agreement(scored: Unblinded, criterion: Criterion) -> Agreement:
    """Return the agreement by a criterion.

    Args:
        scored: a study that was read.
        criterion: one of its criteria.

    Raises:
        MissingExtraError: the libraries for it are not installed.
    """
    wide = scored.once.pivot(index="trial", columns="reader", values=criterion.id)
    pairs = [wide[[a, b]].dropna().to_numpy() for a, b in combinations(wide.columns, 2)]
    pairs = [pair for pair in pairs if len(pair) >= FEWEST]
    kappas = [kappa for pair in pairs if (kappa := weighted_kappa(pair, criterion)) is not None]
    first, second = _repeats(scored.table, criterion.id)
    again = np.stack([first, second], axis=1)
    alpha = krippendorff_alpha(wide.to_numpy().T, criterion) if pairs else None
    intra = weighted_kappa(again, criterion) if len(again) >= FEWEST else None
    return Agreement(
        alpha=alpha,
        kappa=float(np.mean(kappas)) if kappas else None,
        same=float(np.mean(np.concatenate([pair[:, 0] == pair[:, 1] for pair in pairs]))) if pairs else None,
        intra_kappa=intra,
        intra_same=float(np.mean(first == second)) if len(first) else None,
        repeated=len(first),
        notes=_notes(pairs=len(pairs), alpha=alpha, kappas=len(kappas), repeated=len(first), intra=intra),
    )


def weighted_kappa(pairs: np.ndarray, criterion: Criterion) -> float | None:
    """Return Cohen's kappa with quadratic weights; None where one answer is the only one and chance alone agrees.

    Args:
        pairs: (n, 2) two ratings each.
        criterion: the options, which are the categories.

    Source: Cohen 1968, Psychological Bulletin 70:213.
    """
    cohens_kappa = _library("statsmodels.stats.inter_rater").cohens_kappa
    options = options_of(criterion)
    counts = np.zeros((len(options), len(options)))
    np.add.at(counts, tuple(np.searchsorted(options, pairs).T), 1)
    if np.count_nonzero(counts.sum(0) + counts.sum(1)) < 2:
        return None
    weights = np.subtract.outer(options, options) ** 2
    return float(cohens_kappa(counts, weights=weights, return_results=False))


def krippendorff_alpha(ratings: np.ndarray, criterion: Criterion) -> float | None:
    """Return Krippendorff's alpha; None where all ratings are equal.

    Args:
        ratings: (readers, trials), NaN where there is none.
        criterion: says whether the answers have an order.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability.
    """
    if len(np.unique(ratings[~np.isnan(ratings)])) < 2:
        return None
    level = "nominal" if criterion.kind in ("realism", "choice") else "ordinal"
    with warnings.catch_warnings(action="ignore"):  # empty trials divide by 0 inside, and are then left out
        alpha = _library("krippendorff").alpha(reliability_data=ratings, level_of_measurement=level)
    return float(alpha) if np.isfinite(alpha) else None


def _repeats(table: pd.DataFrame, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers to repeated trials: to the trial, and to its repeat."""
    answers = dict(zip(zip(table["reader"], table["trial"]), table[criterion]))
    again = table[table["repeat_of"] != ""]
    named = zip(again["reader"], again["repeat_of"], again["trial"])
    pairs = [(answers.get((reader, first)), answers[reader, repeat]) for reader, first, repeat in named]
    whole = [pair for pair in pairs if not any(value is None or np.isnan(value) for value in pair)]
    first, second = np.array(whole, dtype=np.float64).reshape(-1, 2).T
    return first, second


def _notes(*, pairs: int, alpha: float | None, kappas: int, repeated: int, intra: float | None) -> tuple[str, ...]:
    notes = []
    if not pairs:
        notes.append("no two readers have rated the same trials")
    elif alpha is None or not kappas:
        notes.append("all ratings are equal: agreement beyond chance is not defined")
    if not repeated:
        notes.append("no trial was repeated")
    elif intra is None:
        notes.append("too few or equal answers to repeated trials for a kappa")
    return tuple(notes)


def _library(name: str) -> Any:
    from importlib import import_module

    if lack := missing("study", "scoring a reader study"):
        raise MissingExtraError(lack)
    return import_module(name)
