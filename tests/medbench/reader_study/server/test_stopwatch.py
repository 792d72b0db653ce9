"""Time in view: short gaps add up, long ones do not count, and no clock of day is asked."""

from __future__ import annotations

from dataclasses import dataclass

from medbench.reader_study.server.stopwatch import LONGEST_GAP, Stopwatch


@dataclass
class Hand:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_gaps_between_signs_of_life_add_up_until_they_are_kept() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    watch.open("C001")
    for seconds in (5, 5, 2.5):
        hand.now += seconds
        counted = watch.tick("C001")
    assert counted == 12.5
    hand.now += 1
    assert watch.tick("C001") == 13.5, "what could not be kept is told again"
    watch.keep("C001")
    hand.now += 4
    assert watch.tick("C001") == 4


def test_nobody_looks_during_a_long_gap() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    watch.open("C001")
    hand.now += LONGEST_GAP + 0.1
    assert watch.tick("C001") == 0
    hand.now += 3
    assert watch.tick("C001") == 3


def test_time_before_a_trial_comes_into_view_again_does_not_count() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    watch.open("C001")
    hand.now += 10
    watch.tick("C001")
    watch.keep("C001")
    watch.open("C002")
    hand.now += 10
    watch.open("C001")
    hand.now += 2
    assert watch.tick("C001") == 2


def test_two_trials_in_two_windows_count_for_themselves() -> None:
    hand = Hand()
    watch = Stopwatch(hand)
    watch.open("C001")
    watch.open("C002")
    hand.now += 7
    assert (watch.tick("C001"), watch.tick("C002")) == (7, 7)


def test_a_first_sign_of_life_without_opening_counts_nothing() -> None:
    assert Stopwatch(Hand()).tick("C001") == 0
