from __future__ import annotations

import pytest

from medbench.drawing import text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "-"),
        (0.0, "0"),
        (3.1, "3.10"),
        (0.0123456, "0.0123"),
        (9.999, "10.0"),
        (31.4159, "31.4"),
        (-0.5, "-0.500"),
        (25769.4, "25769"),
        (999.9, "1000"),
        (64, "64"),
        (1.5e-6, "1.50e-06"),
        (2.5e9, "2.50e+09"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, told: str) -> None:
    assert text.number(value) == told


def test_an_interval_shows_both_ends() -> None:
    assert text.interval((2.7, 3.6)) == "[2.70, 3.60]"
    assert text.interval(None) == text.ABSENT


def test_bytes_are_told_as_gib() -> None:
    assert text.gib(24 * 2**30) == "24.0 GiB"
    assert text.gib(None) == text.ABSENT


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        (None, "-"),
        (12.3, "12.3 s"),
        (59.99, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3599.6, "1 h 0 min"),
        (11520, "3 h 12 min"),
    ],
)
def test_durations_are_told_in_common_units(duration: float | None, told: str) -> None:
    assert text.seconds(duration) == told


def test_a_moment_does_not_depend_on_the_time_zone_here() -> None:
    assert text.moment(0) == "1970-01-01 00:00 UTC"
