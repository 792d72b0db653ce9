"""Runs of labels: what they count is what the voxels count."""

import numpy as np
import pytest

from medbench.metrics.functional.label_runs import joint_counts, runs_of


@pytest.mark.parametrize("labels", [2, 256])
def test_counts_of_pairs_are_those_of_the_voxels(labels: int) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, labels, (5, 4, 7)).astype(np.uint8) for _ in range(2))
    second[1:3] = first[1:3]  # ends that coincide
    counted = np.zeros((256, 256), int)
    np.add.at(counted, (first, second), 1)
    assert (joint_counts(runs_of(first), runs_of(second)) == counted).all()


def test_runs_give_back_the_voxels_whatever_their_order_in_memory() -> None:
    voxels = np.random.default_rng(1).integers(0, 3, (6, 5, 4)).astype(np.uint8)
    for stored in (voxels, np.asfortranarray(voxels)):
        runs = runs_of(stored)
        assert (np.repeat(runs.labels, np.diff(runs.ends, prepend=0)) == voxels.ravel()).all()


def test_a_map_of_one_label_is_one_run() -> None:
    runs = runs_of(np.full((30, 20, 10), 9, np.uint8))
    assert (runs.ends.tolist(), runs.labels.tolist()) == ([6000], [9])
