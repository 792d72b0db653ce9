from __future__ import annotations

import numpy as np
import pytest

from medbench.reader_study.score.forced_choice import choices, chosen, left_share, preferences


def test_one_reader_s_choices_are_binomial(choice_study) -> None:
    scored = choice_study(0.7, readers=1, pairs=40, seed=0)
    ratings = choices(scored)["real", "a"]
    (test,) = preferences(scored)
    from scipy.stats import binomtest

    reference = binomtest(int(ratings.values.sum()), 40, 0.5)
    assert test.p_value == pytest.approx(reference.pvalue)
    assert test.ci95 == pytest.approx(tuple(reference.proportion_ci(method="exact")))
    assert (test.a, test.b, test.criterion) == ("real", "a", "choice")


def test_the_model_s_share_is_the_rest(choice_study) -> None:
    scored = choice_study(0.7, readers=3, pairs=20, seed=0)
    ratings = choices(scored)["real", "a"]
    found = chosen(ratings)
    assert found.share == pytest.approx(1 - ratings.values.mean())
    assert found.counts == (int(ratings.values.sum()), 60 - int(ratings.values.sum()))


def test_chance_is_shown_to_be_chance_only_with_enough_pairs(choice_study) -> None:
    (few,) = preferences(choice_study(0.5, readers=1, pairs=20, seed=3))
    (many,) = preferences(choice_study(0.5, readers=1, pairs=500, seed=3))
    assert few.p_value > 0.05
    assert few.equivalence_p > 0.05
    assert many.equivalence_p < 0.05


def test_readers_beat_chance_at_about_the_stated_rates(choice_study) -> None:
    """5 readers of 20 pairs: about 5 % of studies find what is not there, most find 80 %."""
    equal = [preferences(choice_study(0.5, readers=5, pairs=20, seed=seed))[0].p_value < 0.05 for seed in range(60)]
    far = [preferences(choice_study(0.8, readers=5, pairs=20, seed=seed))[0].p_value < 0.05 for seed in range(30)]
    assert np.mean(equal) < 0.12
    assert np.mean(far) > 0.9


def test_a_reader_who_always_takes_the_left_is_seen(choice_study) -> None:
    scored = choice_study(1.0, readers=1, pairs=30, seed=0, left=1.0)
    assert left_share(scored.table, "choice") == 1.0
