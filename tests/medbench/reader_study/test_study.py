from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from medbench.reader_study.packet import Packet
from medbench.reader_study.study import Study, columns


def test_the_columns_are_those_of_the_contract(packet_of) -> None:
    asked = ("realism", "confidence", "anatomy", "image_quality", "diagnostic_quality")
    assert columns(packet_of().study) == ("reader", "case", *asked, "comment", "seconds")


def test_the_columns_of_a_forced_choice(pairs_packet: Packet) -> None:
    assert columns(pairs_packet.study) == ("reader", "pair", "left", "right", "choice", "seconds")


def test_a_reader_is_shown_the_training_and_then_every_trial_once(packet_of) -> None:
    study = packet_of().study
    assert [trial.id for trial in study.order(1)] == ["T001", "C004", "C003", "C002", "C001"]
    assert [trial.training for trial in study.order(0)] == [True, False, False, False, False]


def test_a_pair_shows_two_cases(pairs_packet: Packet) -> None:
    assert [trial.cases for trial in pairs_packet.study.order(0)] == [
        ("C005", "C006"),
        ("C001", "C002"),
        ("C003", "C004"),
    ]


def test_the_digest_covers_all_but_the_commitment(packet_of) -> None:
    study = packet_of().study
    assert study.model_copy(update={"commitment": "1" * 64}).digest() == study.digest()
    assert study.model_copy(update={"orders": study.orders[::-1]}).digest() != study.digest()
    assert Study.model_validate_json(study.model_dump_json(by_alias=True)).digest() == study.digest()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 2}, "schema"),
        ({"orders": [["C001"]]}, "every order holds every trial once"),
        ({"orders": []}, "orders"),
        ({"cases": 5}, "number of cases"),
        ({"training": ["C009"]}, "C009"),
        ({"design": "2afc"}, "does not go with"),
        ({"secret": 1}, "secret"),
        ({"spacing_mm": [0, 1, 1]}, "spacing_mm"),
        ({"commitment": "me"}, "commitment"),
        ({"pairs": {"P001": {"left": "C001", "right": "C002"}}}, "no other has"),
        ({"checksums": {"../../etc": "0" * 64}}, "checksums"),
    ],
)
def test_what_contradicts_itself_is_no_study(packet_of, changes: dict[str, Any], said: str) -> None:
    document = packet_of().study.model_dump(mode="json", by_alias=True)
    with pytest.raises(ValidationError, match=said):
        Study.model_validate({**document, **changes})
