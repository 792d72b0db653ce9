import numpy as np
import pytest

from medbench.metrics.functional.blocks import by_volume, runs_of_volumes


@pytest.mark.parametrize("about", [1, 4, 100])
def test_runs_hold_every_volume_once(about):
    volumes = [np.ones((count, 2)) for count in (3, 1, 9, 2, 2)]
    runs = runs_of_volumes(volumes, about=about)
    assert [index for run in runs for index in range(5)[run]] == list(range(5))
    assert all(sum(len(rows) for rows in volumes[run]) < about + 9 for run in runs)


def test_a_block_of_whole_subjects_ends_with_their_last_volume():
    volumes = [np.ones((3, 2)) for _ in range(6)]
    owners = np.array([0, 1, 1, 1, 2, 2])
    assert runs_of_volumes(volumes, about=6, owners=owners) == [slice(0, 1), slice(1, 4), slice(4, 6)]


@pytest.mark.parametrize("operation", [np.add, np.minimum])
def test_rows_are_reduced_volume_by_volume(operation):
    rng = np.random.default_rng(0)
    values, starts = rng.normal(size=(17, 5)), np.array([0, 1, 4, 9, 16])
    found = by_volume(operation, values, starts)
    np.testing.assert_allclose(found, operation.reduceat(values, starts, axis=0), rtol=1e-14)
