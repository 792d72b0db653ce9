from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from medbench.errors import Unavailable
from medbench.metrics.memorization.nearest import (
    Nearness,
    Threshold,
    averaged,
    nearest_among,
    newcombe_interval,
    share_with_neighbour,
    similarity,
    turn_of,
)


def test_similarity_is_pearsons_correlation():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4, 32)), rng.normal(size=(3, 32))
    found = similarity(first, second)
    assert found[2, 1] == pytest.approx(stats.pearsonr(first[2], second[1]).statistic)
    assert found == pytest.approx(similarity(second, first).T)
    assert np.diag(similarity(first, 5 + 3 * first)) == pytest.approx(1)


@pytest.mark.parametrize("embedding", [np.ones(8), np.full(8, np.nan)])
def test_an_embedding_without_variation_has_no_correlation(embedding):
    with pytest.raises(Unavailable, match="constant or not finite"):
        similarity(embedding[None], np.random.default_rng(0).normal(size=(2, 8)))


@pytest.mark.parametrize("among", [1, 2, 3, 5])
def test_equal_counts_are_the_mean_over_all_choices(among):
    table = np.random.default_rng(1).uniform(size=(7, 5))
    choices = [table[:, list(columns)].max(axis=1) for columns in itertools.combinations(range(5), among)]
    assert nearest_among(table, among=among) == pytest.approx(np.mean(choices, axis=0))
    share = np.mean([largest > 0.7 for largest in choices])
    assert share_with_neighbour(table, 0.7, among=among) == pytest.approx(share)


def test_each_held_out_volume_is_judged_once_by_the_other_half():
    samples = Nearness(np.array([[0.95, 0.1], [0.2, 0.3]]), np.zeros((2, 4)), np.array([0.99, 0.5]))
    to_training = np.array([[0.9, 0.0], [0.1, 0.1], [0.2, 0.6], [0.1, 0.0]])
    held_out = Nearness(to_training, np.zeros((4, 4)), np.array([0.5, 0.5, 0.99, 0.5]))
    first = np.array([True, False, True, False])
    turns = [
        turn_of(samples, held_out, makes=first, threshold=Threshold(0.92, 0.9)),
        turn_of(samples, held_out, makes=~first, threshold=Threshold(0.5, 0.9)),
    ]
    of_samples, of_held_out = averaged(turns)
    assert of_samples.tolist() == [[1, 0], [1, 0]]
    assert of_held_out.tolist() == [[1, 0, 1, 0], [0, 0, 1, 0]]
    assert [turn.memorized_all for turn in turns] == [0.5, 0.5]
    assert [turn.memorized_floor for turn in turns] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    # Newcombe 1998, Statistics in Medicine 17:873, Table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/10
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
    ],
)
def test_newcombes_published_intervals(first, second, ends):
    found = newcombe_interval(
        first=first[0] / first[1], first_count=first[1], second=second[0] / second[1], second_count=second[1]
    )
    assert found == pytest.approx(ends, abs=5e-5)
