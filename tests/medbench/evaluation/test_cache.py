"""The cache: computed once for the same content under the same settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medbench.evaluation.cache import Cache
from medbench.imaging.volume import LabelMap


def test_arrays_are_computed_once_for_each_content_and_setting(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    calls: list[int] = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"xy": np.arange(6, dtype=np.float32).reshape(2, 3)}

    first = cache.arrays("features", "a" * 64, {"window": 1}, compute)
    again = cache.arrays("features", "a" * 64, {"window": 1}, compute)
    assert np.array_equal(first["xy"], again["xy"])
    assert again["xy"].dtype == np.float32
    assert len(calls) == 1
    cache.arrays("features", "b" * 64, {"window": 1}, compute)
    cache.arrays("features", "a" * 64, {"window": 2}, compute)
    assert len(calls) == 3


def test_a_failed_computation_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail() -> dict[str, int]:
        raise RuntimeError

    for _ in range(2):
        try:
            cache.document("facts", "a" * 64, {}, fail)
        except RuntimeError:
            continue
    assert cache.document("facts", "a" * 64, {}, lambda: {"shape": [1, 2, 3]}) == {"shape": [1, 2, 3]}


def test_label_maps_keep_values_grid_and_names(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = LabelMap(np.eye(4, dtype=np.uint8)[None].repeat(2, 0), np.diag([2.0, 2, 3, 1]), {1: "lung"})
    cache.label_map("c" * 64, {}, {1: "lung"}, lambda: made)
    read = cache.label_map("c" * 64, {}, {1: "lung"}, lambda: made)
    assert np.array_equal(read.voxels, made.voxels)
    assert read.spacing_mm == made.spacing_mm
    assert read.names == {1: "lung"}


def test_a_label_map_is_the_same_on_the_first_and_on_later_runs(tmp_path: Path) -> None:
    # A file keeps the affine in single precision: 0.7 mm is not what is read back.
    made = LabelMap(np.ones((2, 2, 2), np.uint8), np.diag([0.7, 0.7, 1.3, 1]), {1: "lung"})
    first, again = (Cache(tmp_path).label_map("d" * 64, {}, {1: "lung"}, lambda: made) for _ in range(2))
    assert first.spacing_mm == again.spacing_mm
    assert np.array_equal(first.affine, again.affine)
