"""Running minima over blocks are the nearest subjects, and what is kept of the distances is bounded."""

import numpy as np
import pytest

from medbench.metrics.functional import blocks, neighbours
from medbench.metrics.functional.neighbours import Rows


@pytest.fixture
def rows(monkeypatch):
    def made(*, block=5, kept=neighbours.KEPT_BYTES):
        monkeypatch.setattr(blocks, "BLOCK_ROWS", block)
        monkeypatch.setattr(neighbours, "KEPT_BYTES", kept)
        rng = np.random.default_rng(0)
        volumes = [rng.normal(size=(count, 3)) for count in (1, 2, 4, 1, 3, 2, 1, 5, 2)]
        return volumes, Rows(volumes, np.array([0, 1, 1, 2, 3, 3, 4, 5, 6]))

    return made


@pytest.mark.parametrize("block", [3, 5, 100])
def test_the_nearest_other_subjects_of_a_set(rows, block):
    volumes, found = rows(block=block)
    of = np.array([True, True, True, False, True, True, False, True, True])
    to = np.array([True, False, True, True, True, True, True, True, False])
    nearest = found.nearest_of(of, to, 3)
    found.find_nearest()
    owners = found.volume_owners
    expected = []
    for volume in np.flatnonzero(of):
        others = [subject for subject in np.unique(owners[to]) if subject != owners[volume]]
        for point in volumes[volume]:
            distances = [
                min(np.linalg.norm(point - row) for one in np.flatnonzero(to & (owners == s)) for row in volumes[one])
                for s in others
            ]
            expected.append(sorted(distances)[:3])
    np.testing.assert_allclose(np.sort(nearest.distances, axis=1), expected, rtol=1e-7)


@pytest.mark.parametrize("kept", [0, 500, 10**6])
def test_what_is_not_kept_is_computed_again(rows, kept):
    _, found = rows(kept=kept)
    passes = [
        {(one.near.rows.start, one.far.rows.start): one.distances.copy() for one in found.pairs()} for _ in range(2)
    ]
    assert passes[0].keys() == passes[1].keys()
    for key, distances in passes[0].items():
        np.testing.assert_array_equal(distances, passes[1][key])
    assert sum(one.distances.nbytes for both in found._kept.values() for one in both[:1]) <= kept


def test_memory_grows_with_the_slices_alone(monkeypatch):
    """Twice the subjects, twice the numbers: not four times, as slices times subjects would be."""
    monkeypatch.setattr(neighbours, "KEPT_BYTES", 0)
    sizes = []
    for count in (40, 80):
        volumes = [np.random.default_rng(one).normal(size=(4, 3)) for one in range(count)]
        found = Rows(volumes, np.arange(count))
        everyone = np.ones(count, dtype=bool)
        nearest = found.nearest_of(everyone, everyone, 5)
        found.find_nearest()
        sizes.append(nearest.distances.nbytes)
    assert sizes == [40 * 4 * 5 * 8, 80 * 4 * 5 * 8]
    assert not found._kept
