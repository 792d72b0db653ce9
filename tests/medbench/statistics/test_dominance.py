import numpy as np
import pytest

from medbench.statistics.dominance import dominance_notes, dominant


@pytest.mark.parametrize(("count", "limit"), [(5, 0.9279), (10, 0.7175), (20, 0.4799)])
def test_the_limit_is_cochrans(count: int, limit: float) -> None:
    """Table of Eisenhart, Hastay, Wallis 1947: 1 %, one degree of freedom."""

    def with_largest(share: float) -> np.ndarray:
        return np.append(np.full(count - 1, (1 - share) / (count - 1)), share)

    assert dominant(with_largest(limit + 0.005)) == count - 1
    assert dominant(with_largest(limit - 0.005)) is None


def test_normal_data_are_seldom_named_and_heavy_tails_often() -> None:
    rng = np.random.default_rng(0)
    normal, heavy = (
        np.mean([dominant(np.square(draw - draw.mean())) is not None for draw in drawn])
        for drawn in (rng.normal(size=(1000, 20)), rng.standard_t(3, size=(1000, 20)))
    )
    assert normal <= 0.02 and heavy >= 0.1


def test_the_note_names_subjects_share_and_side() -> None:
    squares = np.array([1.0, 1.0, 98.0, 1.0, 1.0, 1.0])
    (note,) = dominance_notes(squares, [["a"], ["b"], ["c", "d"], ["e"], ["f"], ["g"]], side="real")
    assert note.startswith("c, d make up 95 % of the variance over the real subjects")
    assert dominance_notes(np.ones(6), [["a"]] * 6, side="real") == ()
    assert dominant(np.zeros(6)) is None
