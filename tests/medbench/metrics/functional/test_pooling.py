"""Statistics of sets, from one pass, are those of the sets' own rows."""

import numpy as np
import pytest

from medbench.metrics.functional.frechet import FeatureStatistics, frechet_distance
from medbench.metrics.functional.pooling import set_statistics


def volumes_of(rng, count, *, dimension, slices=(1, 9), scale=1.0):
    """Volumes of one to eight slices about a common, distant mean."""
    return [
        scale * (50.0 + rng.normal(size=dimension) + 0.3 * rng.normal(size=(rng.integers(*slices), dimension)))
        for _ in range(count)
    ]


# 4 dimensions: all sums are matrices; 30: some are rows, some become matrices; 500: all are rows.
@pytest.mark.parametrize("dimension", [4, 30, 500])
@pytest.mark.parametrize("seed", range(4))
def test_every_set_has_the_statistics_of_its_own_rows(dimension, seed):
    rng = np.random.default_rng(seed)
    volumes = volumes_of(rng, 13, dimension=dimension)
    members = rng.random((8, 13)) < rng.choice([0.2, 0.5, 0.9], size=8)[:, None]
    members[:, 0] = members[:, 1] = True
    members[0] = True
    found = set_statistics(iter(volumes), members, np.zeros(13))
    for index, stays in enumerate(members):
        own = FeatureStatistics.of(np.concatenate([rows for rows, stay in zip(volumes, stays) if stay]))
        one = found.of(index)
        assert one.count == own.count
        np.testing.assert_allclose(one.mean, own.mean, rtol=1e-13)
        np.testing.assert_allclose(one.scatter, own.scatter, rtol=1e-10, atol=1e-11)
        assert one.total_variance == pytest.approx(own.total_variance, rel=1e-12)
    expected = frechet_distance(*(FeatureStatistics.of(np.concatenate(part)) for part in (volumes, volumes[:5])))
    two = set_statistics(iter(volumes), np.array([[True] * 13, [True] * 5 + [False] * 8]), np.zeros(13))
    assert frechet_distance(two.of(0), two.of(1)) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("dimension", [4, 30, 500])
def test_a_whole_that_others_make_up_is_their_sum(dimension):
    """Groups, all of them together, all but one of them, and sets across them."""
    rng = np.random.default_rng(0)
    volumes = volumes_of(rng, 14, dimension=dimension)
    groups = np.arange(12) % 3 == np.arange(3)[:, None]
    members = np.zeros((6, 14), dtype=bool)
    members[:3, :12] = groups
    members[3] = True
    members[4, :12] = ~groups[0]
    members[5, 5:] = True
    found = set_statistics(iter(volumes), members, np.zeros(14))
    for index, stays in enumerate(members):
        own = FeatureStatistics.of(np.concatenate([rows for rows, stay in zip(volumes, stays) if stay]))
        np.testing.assert_allclose(found.of(index).scatter, own.scatter, rtol=1e-10, atol=1e-11)


def test_volumes_of_one_slice_each():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 3))
    [found] = [set_statistics([row[None] for row in rows], np.ones((1, 9), dtype=bool), np.zeros(9)).of(0)]
    np.testing.assert_allclose(found.scatter, FeatureStatistics.of(rows).scatter, rtol=1e-12)


def test_a_side_is_never_had_by_subtracting_another_of_other_scale():
    """Samples whose features are a million times as large leave the real sets as exact as they were."""
    rng = np.random.default_rng(0)
    real, wild = volumes_of(rng, 9, dimension=3), volumes_of(rng, 9, dimension=3, scale=1e6)
    stays = np.array([True] * 8 + [False] * 10)
    found = set_statistics([*real, *wild], stays[None], np.repeat([0, 1], 9)).of(0)
    np.testing.assert_allclose(found.scatter, FeatureStatistics.of(np.concatenate(real[:8])).scatter, rtol=1e-10)


def test_equal_sets_of_two_sides_are_at_distance_zero():
    rng = np.random.default_rng(0)
    volumes = volumes_of(rng, 8, dimension=5)
    members = np.array([[True] * 7 + [False] * 9, [False] * 8 + [True] * 7 + [False]])
    found = set_statistics([*volumes, *volumes], members, np.repeat([0, 1], 8))
    assert frechet_distance(found.of(0), found.of(1)) <= 1e-12 * found.of(0).total_variance


def test_memory_does_not_grow_with_the_number_of_volumes():
    """A matrix a set, whatever it is made of; what grows is a mean a volume."""
    rng = np.random.default_rng(0)
    kept = []
    for count in (20, 200):
        volumes = (rng.normal(size=(50, 40)) for _ in range(count))
        found = set_statistics(volumes, rng.random((6, count)) < 0.5, np.zeros(count))
        sums = found._within.values()
        assert not any(one.rows for one in sums)
        kept.append(sum(one.scatter.nbytes for one in sums))
    assert kept[1] <= 8 * 40 * 40 * 8  # six sets, all volumes, and what the six leave of these
