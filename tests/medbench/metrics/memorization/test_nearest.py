from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from medbench.errors import Unavailable
from medbench.metrics.memorization.nearest import (
    STRIP,
    candidates,
    columns_of_others,
    distance_ratio,
    nearest_among,
    nearness_of,
    others,
    strips,
)


def similarity(first, second):
    return np.concatenate([found for _, found in strips(first, second)])


def test_strips_bound_the_memory_and_hold_every_row_once():
    first, second = (np.random.default_rng(count).normal(size=(count, 4)) for count in (2 * STRIP + 3, 7))
    found = list(strips(first, second))
    assert [len(one) for _, one in found] == [STRIP, STRIP, 3]
    expected = np.corrcoef(first, second)[: len(first), len(first) :]
    np.testing.assert_allclose(np.concatenate([one for _, one in found]), expected, atol=1e-12)
    for rows, one in found:
        np.testing.assert_allclose(one, expected[rows], atol=1e-12)


def test_others_of_some_rows_are_those_of_all_of_them():
    similarities = np.corrcoef(np.random.default_rng(0).normal(size=(6, 4)))
    subjects = ["a", "b", "a", "c", "d", "b"]
    whole = others(similarities, subjects)
    np.testing.assert_array_equal(others(similarities[2:5], subjects, slice(2, 5)), whole[2:5])
    assert whole.shape == (6, columns_of_others(subjects)) == (6, 4)


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


def test_candidates_are_of_different_patients_the_most_similar_first():
    similarities = np.array([[0.9, 0.8, 0.1, 0.7], [0.1, 0.2, 0.3, 0.0]])
    assert candidates(similarities, ["a", "a", "b", "c"], most=2).tolist() == [[0, 3], [2, 1]]
    assert candidates(similarities, ["c", "a", "b", "a"], most=9).tolist() == [[0, 1, 2], [2, 1, 0]]


def test_the_ratio_weighs_embedding_and_voxels():
    chosen = np.array([[4, 7, 9]])
    found = nearness_of(chosen, np.array([[0.9, 0.8, 0.5]]), np.array([[0.5, 0.9, 0.5]]))
    # Distances 0.05, 0.02 and 0.25: the second in r is the nearest.
    assert (found.nearest.tolist(), found.similarity.tolist(), found.ncc.tolist()) == ([7], [0.8], [0.9])
    assert found.ratio == pytest.approx([0.4])


def test_an_exact_copy_has_ratio_0_and_one_of_twins_has_1():
    chosen = np.array([[0, 1], [0, 1]])
    found = nearness_of(chosen, np.array([[1.0, 0.5], [1.0, 1.0]]), np.array([[1.0, 0.5], [1.0, 1.0]]))
    assert found.ratio.tolist() == [0, 1]


def test_the_ratio_of_strangers_does_not_depend_on_the_number_of_training_volumes():
    rng = np.random.default_rng(3)
    medians = []
    for count in (100, 1000):
        similarities = similarity(rng.normal(size=(300, 12)), rng.normal(size=(count, 12)))
        chosen = candidates(similarities, [f"{index:04}" for index in range(count)], most=2)
        near = np.take_along_axis(similarities, chosen, axis=1)
        medians.append(np.median(nearness_of(chosen, near, near).ratio))
    assert medians[0] == pytest.approx(medians[1], abs=0.05)


def test_the_distance_ratio_is_at_equal_counts():
    rng = np.random.default_rng(4)
    to_training, to_held_out = rng.uniform(-0.5, 0.5, (200, 50)), rng.uniform(-0.5, 0.5, (200, 5))
    assert distance_ratio([to_training], [to_held_out], among=5) == pytest.approx(1, abs=0.1)
    assert distance_ratio([to_training + 0.4], [to_held_out], among=5) < 0.6
    assert "distance to the nearest of them is 0" in distance_ratio([to_training], [np.ones((200, 5))], among=5)


def test_a_subjects_own_volumes_are_not_among_the_others():
    similarities = np.array([[1.0, 0.9, 0.2, 0.3], [0.9, 1.0, 0.4, 0.1], [0.2, 0.4, 1.0, 0.5], [0.3, 0.1, 0.5, 1.0]])
    assert others(similarities, ["a", "a", "b", "c"]).tolist() == [[0.3, 0.2], [0.4, 0.1], [0.5, 0.4], [0.5, 0.3]]
