"""Simulated studies: readers with a taste, cases with a quality, answers with chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from medbench.reader_study.criteria import Criterion, load_criteria
from medbench.reader_study.key import Key, Origin
from medbench.reader_study.packet import Packet
from medbench.reader_study.score.unblind import Unblinded, unblind
from medbench.reader_study.study import Pair, Study
from medbench.reader_study.tables import Rating

_ZERO = "0" * 64


def answer(criterion: Criterion, impression: float, chance: np.random.Generator) -> str:
    """Return what a reader says whose impression of a case is a number about 0, high for real and good."""
    felt = impression + chance.normal(0, 0.8)
    if criterion.kind == "realism":
        return "real" if felt > 0 else "synthetic"
    if criterion.kind == "confidence":
        return str(int(np.clip(1 + 3 * abs(felt), 1, 5)))
    return str(int(np.clip(round((len(criterion.values) + 1) / 2 + felt), 1, len(criterion.values))))


def rating_study(
    quality: Mapping[str, float], *, readers: int, cases: int, seed: int, repeats: int = 0, criteria: str = "rating"
) -> Unblinded:
    """Return a rating study of sources by quality (0: called real half of the time), read by simulated readers."""
    chance = np.random.default_rng(seed)
    asked = load_criteria(criteria)
    sources = [model for model in quality for _ in range(cases)]
    names = [f"C{number:03d}" for number in range(1, len(sources) + repeats + 1)]
    again = dict(zip(names[len(sources) :], names))
    origins = {name: Origin(model=model, file=name, sha256=_ZERO) for name, model in zip(names, sources)}
    origins |= {name: origins[first] for name, first in again.items()}
    study = Study(
        title="simulated", design="rating", format="nifti", cases=len(names), shape=(1, 1, 1), spacing_mm=(1, 1, 1),
        criteria=asked.criteria, orders=(tuple(names),), checksums=dict.fromkeys(names, _ZERO), commitment=_ZERO,
    )  # fmt: skip
    felt = {name: quality[origins[name].model] + chance.normal(0, 0.6) for name in names[: len(sources)]}
    felt |= {name: felt[first] for name, first in again.items()}
    ratings: dict[str, dict[str, Rating]] = {}
    for number in range(readers):
        taste = chance.normal(0, 0.3)
        ratings[f"reader-{number}"] = {
            name: Rating(name, {c.id: answer(c, felt[name] + taste, chance) for c in asked.criteria}, "", 30.0)
            for name in names
        }
    key = Key(nonce="0" * 32, study=_ZERO, seed=0, cases=origins, repeats=again)
    return unblind(Packet(Path("nowhere"), study), key, ratings)


def choice_study(share: float, *, readers: int, pairs: int, seed: int, left: float = 0.5) -> Unblinded:
    """Return a forced choice of real and model ``a`` in which the real case is chosen with a probability."""
    chance = np.random.default_rng(seed)
    names = [f"P{number:03d}" for number in range(1, pairs + 1)]
    cases = [f"C{number:03d}" for number in range(1, 2 * pairs + 1)]
    sides = {name: Pair(left=a, right=b) for name, a, b in zip(names, cases[::2], cases[1::2])}
    origins = {}
    for name, pair in sides.items():
        models = ("real", "a") if chance.random() < left else ("a", "real")
        for case, model in zip((pair.left, pair.right), models):
            origins[case] = Origin(model=model, file=name, sha256=_ZERO)
    study = Study(
        title="simulated", design="2afc", format="nifti", cases=2 * pairs, shape=(1, 1, 1), spacing_mm=(1, 1, 1),
        criteria=load_criteria("2afc").criteria, pairs=sides, orders=(tuple(names),),
        checksums=dict.fromkeys(cases, _ZERO), commitment=_ZERO,
    )  # fmt: skip
    ratings: dict[str, dict[str, Rating]] = {}
    for number in range(readers):
        told = {}
        for name, pair in sides.items():
            side = "left" if (origins[pair.left].model == "real") == (chance.random() < share) else "right"
            told[name] = Rating(name, {"choice": side}, "", 10.0)
        ratings[f"reader-{number}"] = told
    key = Key(nonce="0" * 32, study=_ZERO, seed=0, cases=origins)
    return unblind(Packet(Path("nowhere"), study), key, ratings)


@pytest.fixture(name="rating_study")
def rating_study_() -> Callable[..., Unblinded]:
    return rating_study


@pytest.fixture(name="choice_study")
def choice_study_() -> Callable[..., Unblinded]:
    return choice_study
