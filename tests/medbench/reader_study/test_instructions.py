from __future__ import annotations

from medbench.reader_study.instructions import instructions
from medbench.reader_study.packet import Packet


def test_the_page_says_what_is_asked_in_words(packet_of) -> None:
    study = packet_of().study
    page = instructions(study)
    for criterion in study.criteria:
        assert criterion.question in page
        assert all(option.text in page for option in criterion.options)
    assert "form.csv" in page
    assert "4, after 1 for training" in page


def test_the_page_loads_nothing_and_tells_no_shares(packet_of) -> None:
    page = instructions(packet_of().study)
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "half" not in page


def test_the_page_of_pairs(pairs_packet: Packet) -> None:
    page = instructions(pairs_packet.study)
    assert "no ties" in page
    assert "Which of the two looks more like a real scan?" in page
