import doctest
import math

import numpy as np
import pytest
import torch

from medbench.features import shrink
from medbench.features.shrink import factors, shrunk


@pytest.mark.parametrize(
    ("shape", "most", "expected"),
    [
        ((64, 64, 32), 2**17, (1, 1, 1)),
        ((64, 64, 32), 2**17 - 1, (2, 1, 1)),
        ((512, 512, 256), 2**22, (4, 4, 1)),
        ((512, 512, 512), 2**22, (4, 4, 2)),
        ((3, 1, 1), 1, (4, 1, 1)),
    ],
)
def test_the_longest_axis_is_halved_until_the_volume_is_small_enough(shape, most, expected):
    assert factors(shape, most_voxels=most) == expected
    assert math.prod(-(-length // factor) for length, factor in zip(shape, expected)) <= most


def test_blocks_are_averaged_and_the_last_one_holds_what_is_left():
    voxels = np.random.default_rng(0).random((5, 4, 3), dtype=np.float32)
    found = shrunk(torch.from_numpy(voxels)[None, None], most_voxels=18)[0, 0].numpy()
    assert found.shape == (3, 2, 3)
    np.testing.assert_allclose(found[0, 1], voxels[0:2, 2:4].mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found[2, 0], voxels[4:5, 0:2].mean(axis=(0, 1)), rtol=1e-6)


def test_small_volumes_stay_as_they_are():
    volume = torch.rand(1, 1, 4, 4, 4)
    assert shrunk(volume, most_voxels=64) is volume


def test_the_examples_run():
    assert doctest.testmod(shrink) == (0, 1)
