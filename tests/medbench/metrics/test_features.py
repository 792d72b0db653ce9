import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.metrics import features as features_module
from medbench.metrics.features import (
    MOST_SLICES,
    finite_features,
    pooled_slices,
    thinned,
    vector_table,
    volumes_by_subject,
)
from medbench.metrics.together import Together


def test_slices_of_a_pool_come_volume_by_volume(make_side, make_evidence):
    features = {"xy": [np.full((40, 3), value, dtype=np.float16) for value in (1, 2)]}
    evidence = make_evidence(make_side(2, features=features), make_side(2, features=features))
    together = Together.alone(evidence.real, evidence.synthetic, intervals=False)
    found = pooled_slices(together, "xy", evidence)
    assert [one[0, 0] for one in found] == [1, 2, 1, 2]
    assert {(one.shape, one.dtype) for one in found} == {((MOST_SLICES, 3), np.dtype(np.float32))}


def test_long_volumes_are_thinned_evenly():
    rows = np.arange(100)[:, None]
    np.testing.assert_array_equal(thinned(rows, 4)[:, 0], [12, 37, 62, 87])
    assert len(thinned(rows)) == MOST_SLICES
    np.testing.assert_array_equal(thinned(rows[:MOST_SLICES]), rows[:MOST_SLICES])


def test_features_that_are_not_finite_name_their_volume(make_side):
    features = {"yz": [np.ones((2, 3)), np.full((2, 3), np.inf)]}
    with pytest.raises(Unavailable, match="yz features of v001"):
        list(finite_features(make_side(2, features=features), "yz"))


def test_the_nearest_real_volume_is_another_one_whatever_the_strips(make_side, make_evidence, monkeypatch):
    monkeypatch.setattr(features_module, "_STRIP", 3)
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(8, 4)), rng.normal(size=(5, 4))
    table = vector_table(make_evidence(make_side(8), make_side(5)), real=real, synthetic=synthetic)
    between = np.linalg.norm(real[:, None] - real, axis=2) + np.diag(np.full(8, np.inf))
    expected = [*between.min(axis=1), *np.linalg.norm(synthetic[:, None] - real, axis=2).min(axis=1)]
    np.testing.assert_allclose(table["distance_to_nearest_real"], expected)


def test_a_copy_of_a_real_volume_is_at_distance_zero(make_side, make_evidence):
    """Also where features are large beside what tells volumes apart."""
    real = 1e4 + np.random.default_rng(0).normal(size=(6, 4))
    table = vector_table(make_evidence(make_side(6), make_side(2)), real=real, synthetic=real[[4, 1]])
    assert table["distance_to_nearest_real"].tolist()[6:] == [0.0, 0.0]


def test_volumes_of_a_subject_come_together_in_the_order_of_names(make_side):
    found = volumes_by_subject(np.arange(5.0)[:, None], make_side(5, subjects=["b", "a", "c", "b", "a"]))
    assert [rows.ravel().tolist() for rows in found] == [[1.0, 4.0], [0.0, 3.0], [2.0]]
