import pytest

from medbench.audit.detection import detected_from, limits_of, rank_correlation

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


def test_limits_are_the_worst_and_best_split_and_lie_beyond_the_undamaged_value_by_the_spread() -> None:
    def limits(undamaged: float, better: str) -> tuple[float | None, float | None]:
        found = limits_of(undamaged, (1.0, 3.0, 2.0), (0.0, 9.0), better=better)
        return found.worse, found.better

    assert limits(1.5, "lower") == (3.0, 0.5)
    assert limits(3.5, "lower") == (4.5, 1.0)
    assert limits(2.5, "higher") == (1.0, 3.5)
    assert limits(0.5, "higher") == (-0.5, 3.0)


def test_without_splits_the_limits_are_the_ends_of_the_interval() -> None:
    higher, lower = (limits_of(0.7, (), (0.5, 0.9), better=better) for better in ("higher", "lower"))
    assert (higher.worse, higher.better) == (0.5, 0.9)
    assert (lower.worse, lower.better) == (0.9, 0.5)
    absent = limits_of(0.7, (), None, better="lower")
    assert (absent.worse, absent.better) == (None, None)
    assert absent.how.startswith("no limit")
