from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from medbench.features.seeded import SeededResNet3d
from medbench.features.seen import as_seen
from medbench.imaging.volume import Volume
from medbench.spec import Grid, Window

INFO = SeededResNet3d.info
WINDOW = Window(low=-1000, high=1000)


def volume():
    return Volume(np.linspace(-2000, 2000, 8 * 6 * 4, dtype=np.float32).reshape(8, 6, 4), np.diag([2.0, 2.0, 3.0, 1.0]))


def test_a_network_without_input_of_its_own_sees_the_protocols():
    before = volume()
    seen = as_seen(before, INFO, WINDOW)
    np.testing.assert_allclose(seen, (before.voxels.clip(-1000, 1000) + 1000) / 2000, rtol=1e-6)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(before.voxels, volume().voxels)


def test_its_own_window_goes_before_the_protocols():
    seen = as_seen(volume(), replace(INFO, window=Window(low=0, high=500)), WINDOW)
    np.testing.assert_allclose(seen, volume().voxels.clip(0, 500) / 500, rtol=1e-6)


def test_its_own_grid_comes_after_the_protocols():
    seen = as_seen(
        volume(), replace(INFO, grid=Grid(spacing_mm=(1.0, 1.0, 3.0), shape=(10, 99, 99), fit="crop")), WINDOW
    )
    assert seen.shape == (10, 12, 4)


def test_what_a_network_has_of_its_own_enters_its_description():
    assert INFO.own_input() == {}
    own = replace(INFO, window=WINDOW, grid=Grid(shape=(8, 8, 8))).own_input()
    assert own == {"window": {"low": -1000.0, "high": 1000.0}, "grid": Grid(shape=(8, 8, 8)).model_dump(mode="json")}


def test_a_network_of_a_users_own_may_declare_less():
    seen = as_seen(volume(), SimpleNamespace(name="mine"), WINDOW)
    np.testing.assert_array_equal(seen, as_seen(volume(), INFO, WINDOW))
