"""One reader at work: changes are merged, time adds up, and what is stored is what counts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from medbench.errors import DataError, StorageError
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.server.reading import Reading
from medbench.reader_study.server.stopwatch import Stopwatch


class Hand:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def reading(packet_of, hand: Hand) -> Reading:
    return Reading(Ratings(packet_of()), "ann", Stopwatch(hand))


def test_training_comes_first_and_every_trial_is_there(reading: Reading) -> None:
    assert reading.trials[0].id == "T001"
    assert "C001" in reading
    assert "C999" not in reading
    assert set(reading.kept()) == {"T001", "C001", "C002", "C003", "C004"}


def test_two_windows_lose_nothing_and_the_last_word_counts(reading: Reading) -> None:
    reading.save("C001", {"realism": "real"}, "left lung")
    reading.save("C001", {"anatomy": "3"})
    last = reading.save("C001", {"realism": "synthetic"})
    assert last.rating.answers == {"realism": "synthetic", "anatomy": "3"}
    assert last.rating.comment == "left lung"
    assert reading.kept()["C001"] == last


def test_a_version_changes_with_the_content_and_not_with_time(reading: Reading, hand: Hand) -> None:
    blank = reading.open("C001")
    hand.now += 5
    alive = reading.save("C001", {})
    answered = reading.save("C001", {"realism": "real"})
    commented = reading.save("C001", {}, "why")
    assert alive.version == blank.version
    assert len({blank.version, answered.version, commented.version}) == 3
    assert reading.save("C001", {}, "").version == answered.version


def test_time_goes_on_after_a_new_start(packet_of, hand: Hand) -> None:
    ratings = Ratings(packet_of())
    first = Reading(ratings, "ann", Stopwatch(hand))
    first.open("C001")
    hand.now += 20
    first.save("C001", {"realism": "real"})
    second = Reading(ratings, "ann", Stopwatch(hand))
    second.open("C001")
    hand.now += 10
    assert second.save("C001", {}).rating.seconds == 30


def test_no_clock_of_day_is_asked(packet_of, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(Ratings(packet_of()), "ann")
    reading.open("C001")
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert 0 <= reading.save("C001", {"realism": "real"}).rating.seconds < 10


def test_a_full_disk_loses_neither_what_was_stored_nor_time(
    reading: Reading, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading.open("C001")
    hand.now += 5
    reading.save("C001", {"realism": "real"})

    def full(self: Ratings, reader: str, rating: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Ratings, "save", full)
        hand.now += 5
        with pytest.raises(StorageError):
            reading.save("C001", {"anatomy": "2"})
    assert reading.kept()["C001"].rating.answers == {"realism": "real"}
    hand.now += 5
    assert reading.save("C001", {"anatomy": "2"}).rating.seconds == 15


def test_many_windows_at_once_lose_no_answer(reading: Reading) -> None:
    changes = [("C001", {"anatomy": "1"}), ("C001", {"image_quality": "2"}), ("C002", {"realism": "real"})] * 5
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: reading.save(*change), changes))
    kept = reading.kept()
    assert kept["C001"].rating.answers == {"anatomy": "1", "image_quality": "2"}
    assert kept["C002"].rating.answers == {"realism": "real"}


def test_an_edited_table_is_refused_and_left_as_it_is(reading: Reading, packet_of) -> None:
    reading.save("C001", {"realism": "real"})
    file = reading._ratings.file("ann")
    edited = file.read_text().replace(",real,", ",maybe,")
    file.write_text(edited)
    with pytest.raises(DataError, match="maybe"):
        reading.save("C002", {"realism": "real"})
    assert file.read_text() == edited


def test_a_comment_of_another_window_stays(reading: Reading) -> None:
    reading.save("C001", {}, "one")
    assert replace(reading.save("C001", {"anatomy": "1"}).rating, seconds=None).comment == "one"
