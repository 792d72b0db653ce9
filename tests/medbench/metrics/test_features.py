import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.metrics.features import MOST_SLICES, finite_features, slices_by_subject, thinned


def test_slices_come_by_subject_whatever_the_order_of_the_volumes(make_side):
    features = {"xy": [np.full((2, 3), value, dtype=np.float16) for value in (1, 2, 3)]}
    a, b = slices_by_subject(make_side(3, subjects=["b", "a", "b"], features=features), "xy")
    np.testing.assert_array_equal(a[:, 0], [2, 2])
    np.testing.assert_array_equal(b[:, 0], [1, 1, 3, 3])
    assert a.dtype == np.float32


def test_long_volumes_are_thinned_evenly():
    rows = np.arange(100)[:, None]
    np.testing.assert_array_equal(thinned(rows, 4)[:, 0], [12, 37, 62, 87])
    assert len(thinned(rows)) == MOST_SLICES
    np.testing.assert_array_equal(thinned(rows[:MOST_SLICES]), rows[:MOST_SLICES])


def test_features_that_are_not_finite_name_their_volume(make_side):
    features = {"yz": [np.ones((2, 3)), np.full((2, 3), np.inf)]}
    with pytest.raises(Unavailable, match="yz features of v001"):
        list(finite_features(make_side(2, features=features), "yz"))
