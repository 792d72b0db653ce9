"""Which volumes are read, in which pairs, under which names and in which orders.

What is read follows from the seed. Names, sides and orders come from the system's randomness, so that nobody can
derive them from anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from medbench.errors import SpecError
from medbench.reader_study.criteria import Design
from medbench.reader_study.key import REAL
from medbench.reader_study.sources import Candidate, counts
from medbench.reader_study.study import Pair

T = TypeVar("T")


@dataclass(frozen=True)
class Drawn:
    """What is read.

    Args:
        trials: those that count, one or two candidates each; in a pair the real one is first.
        training: those that come before.
        repeated: indices of the trials that are shown twice.
    """

    trials: tuple[tuple[Candidate, ...], ...]
    training: tuple[tuple[Candidate, ...], ...]
    repeated: tuple[int, ...]


@dataclass(frozen=True)
class Blinded:
    """What is read, under the names that readers see.

    Args:
        cases: case -> candidate.
        pairs: pair -> the cases on its sides; empty for a rating.
        training: trials that come first.
        repeats: trial -> the trial that it repeats.
        orders: the trials that count, shuffled for each reader.
    """

    cases: Mapping[str, Candidate]
    pairs: Mapping[str, Pair]
    training: tuple[str, ...]
    repeats: Mapping[str, str]
    orders: tuple[tuple[str, ...], ...]


def draw(
    sources: Mapping[str, Sequence[Candidate]],
    *,
    design: Design,
    per_model: int,
    training: int,
    repeats: int,
    seed: int,
) -> Drawn:
    """Draw the cases of a study without replacement, one a subject.

    A rating shows ``per_model`` cases of every source. A forced choice shows ``per_model`` pairs of every model with
    real cases, each of which is used once; without real cases, pairs of every two models.

    Args:
        sources: candidates by model.
        design: see above.
        per_model: cases, or pairs, of each model.
        training: trials before the first that counts.
        repeats: trials that are shown twice.
        seed: decides what is drawn.

    Raises:
        SpecError: a source has too few volumes, or more repeats are wanted than there are trials.
    """
    chance = Random(f"medbench reader study {seed}")
    left = {model: _shuffled(_one_a_subject(candidates), chance) for model, candidates in sources.items()}
    kinds = _kinds(list(sources), design)
    counted = [kind for kind in kinds for _ in range(per_model)]
    # Training trials go through the kinds in turn, so that both a real and a synthetic case is seen.
    extra = list(itertools.islice(itertools.cycle(_shuffled(kinds, chance)), training))
    for model in sources:
        needed = sum(kind.count(model) for kind in (*counted, *extra))
        if needed > len(left[model]):
            raise SpecError(
                f"{needed} volumes of {model} are needed ({training} training trials with them), there are "
                f"{len(left[model])} (of {counts(sources)}): give a smaller --per-model or --training, or more volumes"
            )
    if repeats > len(counted):
        raise SpecError(f"--repeats {repeats}: there are {len(counted)} trials to repeat")
    trials = tuple(tuple(left[model].pop() for model in kind) for kind in counted)
    before = tuple(tuple(left[model].pop() for model in kind) for kind in extra)
    return Drawn(trials, before, tuple(sorted(chance.sample(range(len(trials)), repeats))))


def blind(drawn: Drawn, *, design: Design, orders: int, chance: Random) -> Blinded:
    """Give what was drawn its names, sides and orders.

    Args:
        drawn: what is read.
        design: of the study.
        orders: how many readers there may be.
        chance: ``random.SystemRandom()`` but for tests.
    """
    return _paired(drawn, orders, chance) if design == "2afc" else _single(drawn, orders, chance)


def _single(drawn: Drawn, orders: int, chance: Random) -> Blinded:
    shown = [*drawn.trials, *(drawn.trials[index] for index in drawn.repeated)]
    names = _shuffled([f"C{number:03d}" for number in range(1, len(shown) + 1)], chance)
    training = tuple(f"T{number:03d}" for number in range(1, len(drawn.training) + 1))
    cases = {name: candidate for name, (candidate,) in zip((*names, *training), (*shown, *drawn.training))}
    repeats = {names[len(drawn.trials) + place]: names[index] for place, index in enumerate(drawn.repeated)}
    in_order = tuple(_order(names, repeats, chance) for _ in range(orders))
    return Blinded(dict(sorted(cases.items())), {}, training, repeats, in_order)


def _paired(drawn: Drawn, orders: int, chance: Random) -> Blinded:
    pairs = [*drawn.trials, *drawn.training]
    found = [candidate for pair in pairs for candidate in pair]
    cases = _shuffled([f"C{number:03d}" for number in range(1, len(found) + 1)], chance)
    case_of = {id(candidate): name for candidate, name in zip(found, cases)}
    exchanged = [*_balanced(drawn.trials, chance), *(chance.random() < 0.5 for _ in drawn.training)]
    sides = [pair[::-1] if turned else pair for pair, turned in zip(pairs, exchanged)]
    # A repeat exchanges the sides: a reader who always takes one side contradicts himself.
    shown = [*sides[: len(drawn.trials)], *(sides[index][::-1] for index in drawn.repeated)]
    names = _shuffled([f"P{number:03d}" for number in range(1, len(shown) + 1)], chance)
    training = tuple(f"T{number:03d}" for number in range(1, len(drawn.training) + 1))
    named = zip((*names, *training), (*shown, *sides[len(drawn.trials) :]))
    made = {name: Pair(left=case_of[id(a)], right=case_of[id(b)]) for name, (a, b) in named}
    repeats = {names[len(drawn.trials) + place]: names[index] for place, index in enumerate(drawn.repeated)}
    return Blinded(
        cases=dict(sorted(zip(cases, found))),
        pairs=dict(sorted(made.items())),
        training=training,
        repeats=repeats,
        orders=tuple(_order(names, repeats, chance) for _ in range(orders)),
    )


def _kinds(models: list[str], design: Design) -> list[tuple[str, ...]]:
    """Return the kinds of trials: one model each, or two."""
    if design == "rating":
        return [(model,) for model in models]
    if len(models) < 2:
        raise SpecError("a forced choice needs two sources: give --real and a run, or two runs")
    if REAL in models:
        return [(REAL, model) for model in models if model != REAL]
    return list(itertools.combinations(models, 2))


def _balanced(trials: Sequence[tuple[Candidate, ...]], chance: Random) -> list[bool]:
    """Return which pairs are exchanged: half of every kind, to within one."""
    exchanged = [False] * len(trials)
    kinds = [tuple(candidate.model for candidate in pair) for pair in trials]
    for kind in dict.fromkeys(kinds):
        places = [place for place, other in enumerate(kinds) if other == kind]
        half = len(places) // 2 + (chance.random() < 0.5 if len(places) % 2 else 0)
        for place in chance.sample(places, half):
            exchanged[place] = True
    return exchanged


def _order(names: Sequence[str], repeats: Mapping[str, str], chance: Random) -> tuple[str, ...]:
    """Return the names shuffled; of a trial and its repeat one is in the first third and one in the last."""
    early, late = [], []
    for repeat, first in repeats.items():
        one, other = _shuffled([repeat, first], chance)
        early.append(one)
        late.append(other)
    single = _shuffled([name for name in names if name not in {*early, *late}], chance)
    share = max(0, len(names) // 3 - len(repeats)) if repeats else 0
    parts = (early + single[:share], single[2 * share :], late + single[share : 2 * share])
    return tuple(name for part in parts for name in _shuffled(part, chance))


def _one_a_subject(candidates: Sequence[Candidate]) -> list[Candidate]:
    return list({candidate.subject: candidate for candidate in reversed(candidates)}.values())[::-1]


def _shuffled(things: Sequence[T], chance: Random) -> list[T]:
    return chance.sample(list(things), len(things))
