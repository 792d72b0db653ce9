from __future__ import annotations

import pytest

from medbench.errors import SpecError
from medbench.progress import silent
from medbench.reader_study.plan import PlanOptions, PlanRow, needed, plan


def rows(**changes: object) -> list[PlanRow]:
    asked = {"design": "2afc", "effect": 0.6, "readers": (1,), "rho": 0.0, "reader_rho": 0.0, "simulations": 200}
    return plan(PlanOptions(**{**asked, **changes}), silent)  # type: ignore[arg-type]


def test_two_hundred_independent_trials_show_sixty_per_cent() -> None:
    """Exact binomial, two-sided 5 %: the power is 0.8 at about 200 trials."""
    few, many = rows(cases=(100, 205))
    assert many.power == pytest.approx(0.8, abs=0.08)
    assert few.power < 0.62
    assert many.false_positive < 0.08
    assert many.half_width == pytest.approx(0.068, abs=0.005)


def test_equality_within_a_tenth_takes_about_215_trials() -> None:
    (row,) = rows(cases=(215,))
    assert row.equivalence_power == pytest.approx(0.8, abs=0.08)


def test_answers_that_depend_on_each_other_are_worth_less() -> None:
    (free,) = rows(readers=(5,), cases=(20,), simulations=60)
    (tied,) = rows(readers=(5,), cases=(20,), rho=0.4, reader_rho=0.1, simulations=60)
    assert tied.half_width > free.half_width + 0.03
    assert tied.power < free.power


def test_a_rating_compares_a_model_with_real_cases() -> None:
    few, many = rows(design="rating", effect=0.4, reference=0.8, readers=(3,), cases=(10, 40), rho=0.1, simulations=60)
    assert few.power < many.power
    assert many.trials == 80
    assert many.false_positive <= 0.1


def test_the_same_seed_gives_the_same_table() -> None:
    assert rows(cases=(10,), simulations=20) == rows(cases=(10,), simulations=20)
    assert rows(cases=(50,), simulations=20) != rows(cases=(50,), simulations=20, seed=1)


def test_the_fewest_cases_that_are_enough() -> None:
    found = [PlanRow("2afc", 3, cases, cases, 0.6, power, 0.05, 0.0, 0.1) for cases, power in ((50, 0.6), (80, 0.9))]
    assert needed(found, 3) == 80
    assert needed(found[:1], 3) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effect": 1.2}, "--effect 1.2 is no share"),
        ({"effect": 0.5}, "is no effect"),
        ({"design": "rating", "effect": 0.8}, "is no effect"),
        ({"rho": 1.0}, "--rho 1 is no correlation"),
        ({"reader_rho": -0.1}, "--reader-rho -0.1"),
        ({"cases": (1,)}, "two cases"),
    ],
)
def test_what_cannot_be_planned(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        rows(**changes)
