from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from medbench.errors import SpecError
from medbench.imaging.volume import Volume
from medbench.reader_study.draw import blind, draw
from medbench.reader_study.sources import Candidate


def candidate(model: str, number: int, subject: str | None = None) -> Candidate:
    return Candidate(
        model, subject or f"{model}-{number}", None, number, f"{model}/{number}",
        lambda: Volume(np.zeros((2, 2, 2), np.int16)), lambda: ((2, 2, 2), (1.0, 1.0, 1.0)), lambda: "0" * 64,
    )  # fmt: skip


SOURCES = {model: [candidate(model, number) for number in range(30)] for model in ("real", "a", "b")}
ASKED = {"per_model": 10, "training": 2, "repeats": 6, "seed": 0}


def test_a_rating_shows_as_many_of_each_source() -> None:
    drawn = draw(SOURCES, design="rating", **ASKED)
    assert Counter(trial[0].model for trial in drawn.trials) == {"real": 10, "a": 10, "b": 10}
    assert len({id(one) for trial in (*drawn.trials, *drawn.training) for one in trial}) == 32


def test_what_is_drawn_follows_from_the_seed() -> None:
    def files(seed: int) -> list[str]:
        return [trial[0].file for trial in draw(SOURCES, design="rating", **{**ASKED, "seed": seed}).trials]

    assert files(1) == files(1)
    assert files(1) != files(2)


def test_no_subject_is_shown_twice() -> None:
    one_patient = [candidate("real", number, subject=f"patient-{number // 3}") for number in range(30)]
    found = draw({**SOURCES, "real": one_patient}, design="rating", **{**ASKED, "per_model": 8})
    shown = [trial[0].subject for trial in (*found.trials, *found.training) if trial[0].model == "real"]
    assert len(shown) == len(set(shown))
    with pytest.raises(SpecError, match=r"volumes of real are needed.*there are 10 \("):
        draw({**SOURCES, "real": one_patient}, design="rating", **{**ASKED, "per_model": 11})


def test_pairs_take_each_real_case_once_and_balance_the_sides() -> None:
    drawn = draw(SOURCES, design="2afc", **ASKED)
    assert Counter(tuple(one.model for one in pair) for pair in drawn.trials) == {("real", "a"): 10, ("real", "b"): 10}
    blinded = blind(drawn, design="2afc", orders=3, chance=Random(1))
    firsts = {
        name: pair for name, pair in blinded.pairs.items() if name.startswith("P") and name not in blinded.repeats
    }
    real_left = Counter(
        blinded.cases[pair.right].model for pair in firsts.values() if blinded.cases[pair.left].model == "real"
    )
    assert real_left == {"a": 5, "b": 5}
    assert max(Counter(case for pair in firsts.values() for case in (pair.left, pair.right)).values()) == 1
    for repeat, first in blinded.repeats.items():
        assert blinded.pairs[repeat].left == blinded.pairs[first].right


def test_without_real_cases_models_are_paired() -> None:
    drawn = draw({"a": SOURCES["a"], "b": SOURCES["b"]}, design="2afc", **ASKED)
    assert {tuple(one.model for one in pair) for pair in drawn.trials} == {("a", "b")}
    with pytest.raises(SpecError, match="needs two sources"):
        draw({"a": SOURCES["a"]}, design="2afc", **ASKED)


@pytest.mark.parametrize("design", ["rating", "2afc"])
def test_orders_are_shuffled_and_keep_repeats_apart(design: str) -> None:
    blinded = blind(draw(SOURCES, design=design, **ASKED), design=design, orders=5, chance=Random(3))
    assert len(set(blinded.orders)) == 5
    for order in blinded.orders:
        place = {trial: number for number, trial in enumerate(order)}
        assert min(abs(place[a] - place[b]) for a, b in blinded.repeats.items()) >= len(order) // 3 - 1
        assert not all(a < b for a, b in pairwise(order))


def test_names_and_orders_do_not_follow_from_the_seed() -> None:
    drawn = draw(SOURCES, design="rating", **ASKED)
    first, second = (blind(drawn, design="rating", orders=2, chance=Random(seed)) for seed in (1, 2))
    assert first.orders != second.orders
    assert [one.file for one in first.cases.values()] != [one.file for one in second.cases.values()]


def test_too_many_repeats() -> None:
    with pytest.raises(SpecError, match="--repeats 31"):
        draw(SOURCES, design="rating", **{**ASKED, "repeats": 31})
    assert (
        len(
            blind(
                draw(SOURCES, design="rating", **{**ASKED, "repeats": 30}), design="rating", orders=1, chance=Random(0)
            ).orders[0]
        )
        == 60
    )
