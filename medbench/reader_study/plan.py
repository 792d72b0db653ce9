"""``medbench study plan``: how many cases and readers a question needs, by simulated studies.

Each answer is drawn with a logit that is the sum of what is true, of a reader's part and of a case's. In a rating the
reader's part is a leaning to call things real; in a forced choice it is skill, which no reader has where there is
nothing to be seen. The simulated studies are judged by the functions that judge real ones: power and errors are those
of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from medbench.errors import SpecError
from medbench.progress import Progress
from medbench.reader_study.criteria import Design
from medbench.reader_study.score.criteria import MARGIN
from medbench.reader_study.score.forced_choice import CHANCE, among_these_readers, preference
from medbench.statistics.areas import Ratings, area
from medbench.statistics.crossed import mean_spread
from medbench.statistics.proportions import share_of

READERS: Final = (1, 3, 5, 10)
CASES: Final = {"2afc": (10, 20, 30, 50, 80, 120, 200, 300), "rating": (10, 20, 30, 50, 80)}
ENOUGH: Final = 0.8
"""The power that a study should have."""

_ALPHA: Final = 0.05
_READER_RHO: Final = {"2afc": 0.02, "rating": 0.1}
_LOGISTIC_VARIANCE: Final = np.pi**2 / 3


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What is asked.

    Args:
        design: ``2afc``: is the real case chosen more often than by chance? ``rating``: are a model's cases called real
            as often as real ones?
        effect: the true share: of right choices, or of the model's cases that are called real.
        reference: the share of real cases that are called real; a rating alone has it.
        readers: how many; empty: several numbers.
        cases: pairs, or cases of each source; empty: several numbers.
        rho: correlation of the answers to one case (0.05 to 0.2 is usual).
        reader_rho: correlation of the answers of one reader; None: 0.02 for skill (2afc), 0.1 for a leaning (rating).
        simulations: studies for each line.
        seed: decides all chance.
    """

    design: Design
    effect: float
    reference: float = 0.8
    readers: tuple[int, ...] = READERS
    cases: tuple[int, ...] = ()
    rho: float = 0.1
    reader_rho: float | None = None
    simulations: int = 200
    seed: int = 0


@dataclass(frozen=True)
class PlanRow:
    """What a study of some size achieves.

    Args:
        design: of the study.
        readers: how many.
        cases: pairs, or cases of each source.
        trials: answers of one reader to these.
        effect: the true share.
        power: share of studies that find the effect at 5 %.
        false_positive: share of studies that find one where there is none.
        equivalence_power: share of studies that show equality (0.5 ± 0.1) where there is no effect.
        half_width: mean half width of the 95 % interval of the share.
    """

    design: Design
    readers: int
    cases: int
    trials: int
    effect: float
    power: float
    false_positive: float
    equivalence_power: float
    half_width: float


@dataclass(frozen=True)
class _Judged:
    p_value: float
    equivalence_p: float
    half_width: float


def plan(options: PlanOptions, progress: Progress) -> list[PlanRow]:
    """Simulate studies of every size.

    Args:
        options: what is asked.
        progress: told about every size.

    Raises:
        SpecError: a share, correlation or number that is none.
    """
    _check(options)
    sizes = [(readers, cases) for readers in options.readers for cases in options.cases or CASES[options.design]]
    return [_row(options, *size) for size in progress.track(sizes, task="simulate studies", total=len(sizes))]


def needed(rows: Sequence[PlanRow], readers: int) -> int | None:
    """Return the fewest cases with which that many readers find the effect four times of five; None: more than tried.

    Args:
        rows: of ``plan``.
        readers: how many.
    """
    return min((row.cases for row in rows if row.readers == readers and row.power >= ENOUGH), default=None)


def _check(options: PlanOptions) -> None:
    for name, share in (("--effect", options.effect), ("--reference", options.reference)):
        if not 0 < share < 1:
            raise SpecError(f"{name} {share:g} is no share: give one between 0 and 1, as 0.6")
    for name, rho in (("--rho", options.rho), ("--reader-rho", _reader_rho(options))):
        if not 0 <= rho < 1:
            raise SpecError(f"{name} {rho:g} is no correlation: give one from 0 to below 1, as 0.1")
    if min(options.readers) < 1 or min(options.cases, default=2) < 2:
        raise SpecError("a study needs a reader and two cases")
    none = CHANCE if options.design == "2afc" else options.reference
    if options.effect == none:
        raise SpecError(f"--effect {options.effect:g} is no effect: give another share than {none:g}")


def _row(options: PlanOptions, readers: int, cases: int) -> PlanRow:
    chance = np.random.default_rng([options.seed, readers, cases])
    judge = _judge_choice if options.design == "2afc" else _judge_rating
    with_effect = [judge(options, options.effect, readers, cases, chance) for _ in range(options.simulations)]
    none = CHANCE if options.design == "2afc" else options.reference
    without = [judge(options, none, readers, cases, chance) for _ in range(options.simulations)]
    return PlanRow(
        design=options.design,
        readers=readers,
        cases=cases,
        trials=cases if options.design == "2afc" else 2 * cases,
        effect=options.effect,
        power=float(np.mean([one.p_value < _ALPHA for one in with_effect])),
        false_positive=float(np.mean([one.p_value < _ALPHA for one in without])),
        equivalence_power=float(np.mean([one.equivalence_p < _ALPHA for one in without])),
        half_width=float(np.mean([one.half_width for one in with_effect])),
    )


def _judge_choice(options: PlanOptions, share: float, readers: int, cases: int, chance: np.random.Generator) -> _Judged:
    """Return how one study of pairs ends."""
    skill = 0.0 if share == CHANCE else _reader_rho(options)
    (given,) = _answers((share,), readers, cases, rho=options.rho, reader_rho=skill, chance=chance)
    found, _ = preference(given)
    low, high = found.interval()
    p_value = among_these_readers(given).p_value(CHANCE)
    return _Judged(p_value, found.equivalence_p(CHANCE, margin=MARGIN), (high - low) / 2)


def _judge_rating(options: PlanOptions, share: float, readers: int, cases: int, chance: np.random.Generator) -> _Judged:
    """Return how one study of real cases and a model's ends."""
    shares, leaning = (options.reference, share), _reader_rho(options)
    real, model = _answers(shares, readers, cases, rho=options.rho, reader_rho=leaning, chance=chance)
    spread = mean_spread(model.values, readers=model.readers, cases=model.cases)
    low, high = share_of(float(model.values.mean()), len(model.values), spread, cases=cases).interval()
    found = area(real, model)
    return _Judged(found.p_value, found.equivalence_p(margin=MARGIN), (high - low) / 2)


def _reader_rho(options: PlanOptions) -> float:
    return options.reader_rho if options.reader_rho is not None else _READER_RHO[options.design]


def _answers(
    shares: Sequence[float], readers: int, cases: int, *, rho: float, reader_rho: float, chance: np.random.Generator
) -> list[Ratings]:
    """Return yes and no of the same readers to cases of several sources, with these true shares of yes."""
    of_case, of_reader = _deviation(rho), _deviation(reader_rho)
    own = chance.normal(0, of_reader, (readers, 1))
    who = np.repeat([str(number) for number in range(readers)], cases).tolist()
    found = []
    for number, share in enumerate(shares):
        logit = _logit(share, np.hypot(of_case, of_reader)) + own + chance.normal(0, of_case, (1, cases))
        yes = chance.random((readers, cases)) < 1 / (1 + np.exp(-logit))
        what = [f"{number}-{case}" for _ in range(readers) for case in range(cases)]
        found.append(Ratings(yes.ravel().astype(np.float64), who, what))
    return found


def _deviation(rho: float) -> float:
    """Return the standard deviation of a logit's part that makes answers correlate so (on the latent scale)."""
    return float(np.sqrt(rho / (1 - rho) * _LOGISTIC_VARIANCE))


def _logit(share: float, deviation: float) -> float:
    """Return the logit about which a normal spread gives a share on average (Gauss-Hermite, 40 nodes)."""
    from scipy.optimize import brentq

    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    root: float = brentq(lambda mean: weights @ (1 / (1 + np.exp(-(mean + deviation * nodes)))) - share, -30, 30)
    return root
