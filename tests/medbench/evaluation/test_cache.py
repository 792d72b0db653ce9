"""The cache: computed once for the same content under the same settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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


def _features(value: float) -> Callable[[], dict[str, np.ndarray]]:
    return lambda: {"xy": np.full((2, 3), value, np.float32)}


@pytest.mark.parametrize("damage", ["flip", "cut", "scaled", "another's", "another's with its seal"])
def test_a_damaged_or_misplaced_entry_is_computed_again(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path)
    for content in "ab":
        cache.arrays("features", content * 64, {}, _features(ord(content)))
    path, other = (cache.entry("features", content * 64, {}, ".npz").path for content in "ab")
    if damage == "flip":
        damaged = bytearray(path.read_bytes())
        damaged[-200] ^= 1
        path.write_bytes(damaged)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "scaled":
        np.savez(path, xy=np.full((2, 3), 2 * ord("a"), np.float32))
    else:
        shutil.copy2(other, path)
    if damage == "another's with its seal":
        shutil.copy2(f"{other}.seal", f"{path}.seal")
    assert not cache.has(cache.entry("features", "a" * 64, {}, ".npz"))
    for compute in (_features(ord("a")), _features(0)):  # the second time it is read back
        assert cache.arrays("features", "a" * 64, {}, compute)["xy"][0, 0] == ord("a")


def test_damaged_documents_and_label_maps_are_computed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = LabelMap(np.ones((2, 2, 2), np.uint8), names={1: "lung"})
    for _ in range(2):
        assert cache.document("facts", "a" * 64, {}, lambda: {"min": -1000}) == {"min": -1000}
        assert cache.label_map("b" * 64, {}, {1: "lung"}, lambda: made).voxels.all()
        for path in tmp_path.rglob("*"):
            if path.suffix in (".json", ".gz"):
                path.write_bytes(path.read_bytes().replace(b"1000", b"2000")[:-3])


def test_what_a_shared_cache_holds_is_read_and_nothing_is_written_there(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    Cache(shared).document("facts", "a" * 64, {}, lambda: {"a": 1})
    before = {path: path.read_bytes() for path in shared.rglob("*") if path.is_file()}
    both = Cache(own, shared=shared)
    assert both.document("facts", "a" * 64, {}, lambda: {"a": 2}) == {"a": 1}
    assert both.document("facts", "a" * 64, {"other": 1}, lambda: {"a": 3}) == {"a": 3}
    for path in before:
        path.write_bytes(b"damaged")
    assert both.document("facts", "a" * 64, {}, lambda: {"a": 4}) == {"a": 4}
    assert {path for path in shared.rglob("*") if path.is_file()} == set(before)
