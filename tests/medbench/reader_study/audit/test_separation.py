from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from medbench.reader_study.audit.separation import cross_validate, each_fact


def cases(count: int, sources: int, seed: int) -> tuple[pd.DataFrame, list[str], list[str]]:
    chance = np.random.default_rng(seed)
    facts = pd.DataFrame({f"place {number}": chance.permutation(count) for number in range(6)})
    return facts, [f"source {number % sources}" for number in range(count)], [str(number) for number in range(count)]


def test_a_fact_that_tells_is_found() -> None:
    facts, sources, groups = cases(24, 2, 0)
    facts["tag"] = np.where(np.array(sources) == "source 0", "A", "B")
    found = cross_validate(facts, sources, groups=groups)
    assert found is not None
    assert found.auc == pytest.approx(1.0)
    best = each_fact(facts, sources)[0]
    assert (best.fact, best.auc) == ("tag_A", 1.0)
    assert best.p_value < 1e-4


def test_chance_is_within_the_interval() -> None:
    inside = 0
    for seed in range(4):
        facts, sources, groups = cases(24, 2, seed)
        found = cross_validate(facts, sources, groups=groups)
        assert found is not None
        inside += found.ci95[0] <= 0.5 <= found.ci95[1]
        assert each_fact(facts, sources)[0].p_value > 0.001
    assert inside >= 3


def test_what_is_shared_by_a_group_is_never_learned_from() -> None:
    """The two cases of a pair have one place and opposite sources: without groups they would be told backwards."""
    facts = pd.DataFrame({"place": np.repeat(np.random.default_rng(0).permutation(12), 2)})
    found = cross_validate(facts, ["real", "a"] * 12, groups=[str(number // 2) for number in range(24)])
    assert found is not None
    assert found.ci95[0] <= 0.5 <= found.ci95[1]


def test_too_few_cases_have_no_area() -> None:
    facts, sources, groups = cases(6, 2, 0)
    assert cross_validate(facts, sources, groups=groups) is None
    assert cross_validate(facts, ["one"] * 6, groups=groups) is None


def test_where_nothing_differs_the_area_is_one_half() -> None:
    facts, sources, groups = cases(12, 2, 0)
    found = cross_validate(facts.iloc[:, :0], sources, groups=groups)
    assert found is not None
    assert found.auc == 0.5
