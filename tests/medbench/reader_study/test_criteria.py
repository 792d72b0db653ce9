from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import SpecError
from medbench.reader_study.criteria import SHIPPED, load_criteria

SCALE = """
title = "Mine"
[[criteria]]
id = "sharpness"
question = "How sharp?"
[criteria.options]
1 = "blurred"
2 = "sharp"
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_criteria_are_valid_and_said_in_words(name: str) -> None:
    found = load_criteria(name)
    assert all(option.text.strip() for criterion in found.criteria for option in criterion.options)


def test_the_default_ones_are_those_of_the_contract() -> None:
    found = load_criteria("rating")
    assert [criterion.id for criterion in found.criteria] == [
        "realism", "confidence", "anatomy", "image_quality", "diagnostic_quality",
    ]  # fmt: skip
    assert found.criteria[0].values == ("real", "synthetic")
    assert all(criterion.values == ("1", "2", "3", "4", "5") for criterion in found.criteria[1:])
    assert [criterion.id for criterion in load_criteria("2AFC").criteria] == ["choice"]
    assert load_criteria("2afc").design == "2afc"
    assert all(len(criterion.values) == 4 for criterion in load_criteria("khader").criteria)


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SCALE)
    (criterion,) = load_criteria(str(tmp_path / "mine.toml")).criteria
    assert (criterion.id, criterion.values, criterion.options[1].text) == ("sharpness", ("1", "2"), "sharp")


SECOND = SCALE.replace('title = "Mine"', "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "no TOML file"),
        ("title = 'x'", "criteria"),
        (SCALE.replace('"sharpness"', '"comment"'), "column of every table"),
        (SCALE.replace('"sharpness"', '"=cmd"'), "id"),
        (SCALE.replace("2 =", "0 ="), "must rise"),
        (SCALE.replace("2 =", "good ="), "whole numbers"),
        (SCALE.replace('question = "How sharp?"', 'kind = "realism"\nquestion = "?"'), "real and synthetic"),
        (
            SCALE.replace('question = "How sharp?"', 'kind = "confidence"\nquestion = "?"'),
            "needs one of kind 'realism'",
        ),
        (SCALE + SECOND, "two criteria are called 'sharpness'"),
        (SCALE.replace("question", "questoin"), "question"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SpecError, match=r"mine\.toml") as refusal:
        load_criteria(str(tmp_path / "mine.toml"))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(SpecError, match=r"no such file.*rating, 2afc, khader"):
        load_criteria("absent.toml")
