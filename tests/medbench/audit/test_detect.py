import pytest

from medbench.audit.detect import detected_from, limit_of, rank_correlation

STRENGTHS = (0.0, 1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ((1.0, 2.0, 3.0, 4.0, 5.0), "lower", 1.0),
        ((1.0, 2.0, 3.0, 4.0, 5.0), "higher", -1.0),
        ((5.0, 4.0, 3.0, 2.0, 1.0), "higher", 1.0),
        ((1.0, 3.0, 2.0, 4.0, 5.0), "lower", 0.9),  # 1 - 6 * (1 + 1) / (5 * 24)
        ((1.0, 2.0, None, 4.0, 5.0), "lower", 1.0),
        ((1.0, 1.0, 1.0, 1.0, 1.0), "lower", None),
        ((1.0, None, None, None, 2.0), "lower", None),
    ],
)
def test_rank_correlation_is_positive_where_the_value_gets_worse(values, better, expected) -> None:
    found = rank_correlation(STRENGTHS, values, better=better)
    assert found is expected if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "limit", "better", "expected"),
    [
        ((1.0, 1.2, 2.1, 3.0, 4.0), 2.0, "lower", 2.0),
        ((1.0, 2.1, 1.9, 3.0, 4.0), 2.0, "lower", 4.0),  # what falls back below the limit was no detection
        ((1.0, 1.2, 2.1, 3.0, 1.0), 2.0, "lower", None),
        ((1.0, 0.9, 0.4, 0.3, 0.2), 0.5, "higher", 2.0),
        ((1.0, 0.9, 0.4, 0.3, 0.2), 0.5, "lower", None),  # better than real volumes is no detection
        ((3.0, 3.0, 3.0, 3.0, 3.0), 2.0, "lower", 1.0),  # never 0: nothing was damaged there
        ((1.0, 3.0, 3.0, None, 3.0), 2.0, "lower", 8.0),
        ((1.0, 3.0, 3.0, 3.0, 3.0), None, "lower", None),
        ((1.0, 2.0, 2.0, 2.0, 2.0), 2.0, "lower", None),  # as bad as the worst split is not beyond it
    ],
)
def test_detection_needs_every_stronger_damage_beyond_the_limit(values, limit, better, expected) -> None:
    assert detected_from(STRENGTHS, values, limit, better=better) == expected


def test_the_limit_is_the_worst_split_and_lies_beyond_the_undamaged_value_by_the_spread() -> None:
    def limit(undamaged: float, better: str) -> float | None:
        return limit_of(undamaged, (1.0, 3.0, 2.0), (0.0, 9.0), better=better).value

    assert limit(1.5, "lower") == 3.0
    assert limit(3.5, "lower") == 4.5
    assert limit(2.5, "higher") == 1.0
    assert limit(0.5, "higher") == -0.5


def test_without_splits_the_limit_is_the_worse_end_of_the_interval() -> None:
    assert limit_of(0.7, (), (0.5, 0.9), better="higher").value == 0.5
    assert limit_of(0.7, (), (0.5, 0.9), better="lower").value == 0.9
    absent = limit_of(0.7, (), None, better="lower")
    assert absent.value is None
    assert absent.how.startswith("no limit")
