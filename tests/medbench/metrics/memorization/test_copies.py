from __future__ import annotations

import numpy as np
import pytest

from medbench.metrics.memorization import copies
from medbench.metrics.memorization.copies import aligned_ncc, best_shift, working_copy
from medbench.spec import Window


def test_working_copies_are_clipped_and_scaled():
    hu = np.array([-3000, -1000, 0, 1000, 3000], np.int16).reshape(5, 1, 1)
    assert working_copy(hu, window=Window()).ravel().tolist() == [-1, -1, 0, 1, 1]


@pytest.mark.parametrize("length", [64, 128, 100])
def test_long_axes_are_averaged_and_short_ones_kept(length):
    ramp = np.broadcast_to(np.linspace(-900, 900, length, dtype=np.float32)[:, None, None], (length, 3, 2))
    found = working_copy(ramp, window=Window())
    assert found.shape == (64, 3, 2)
    assert found.mean() == pytest.approx(0, abs=1e-3)
    # an average over cells of equal width leaves a straight line straight
    centres = (np.arange(64) + 0.5) / 64 * length - 0.5
    assert found[1:-1, 0, 0] == pytest.approx(0.9 * (2 * centres / (length - 1) - 1)[1:-1], abs=2e-3)


def test_area_means_match_block_means():
    hu = np.random.default_rng(0).normal(0, 300, (192, 4, 128)).astype(np.float32)
    found = working_copy(hu, window=Window())
    blocks = np.clip(hu, -1000, 1000).reshape(64, 3, 4, 64, 2).mean(axis=(1, 4)) / 1000
    assert found == pytest.approx(blocks, abs=1e-3)


@pytest.mark.parametrize("shift", [(0, 0, 0), (2, -3, 1), (-4, 4, 0)])
def test_a_small_shift_is_found(shift):
    rng = np.random.default_rng(0)
    large = rng.normal(size=(40, 40, 32)).astype(np.float16)
    first = large[8:32, 8:32, 8:24]
    second = large[tuple(slice(8 + s, 8 + s + n) for s, n in zip(shift, first.shape))]
    assert aligned_ncc(first, second) == pytest.approx(1, abs=1e-6)
    assert aligned_ncc(second, first) == pytest.approx(1, abs=1e-6)
    assert best_shift(first, second) == shift


def test_it_is_pearsons_correlation_without_a_shift_and_blind_to_contrast():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(16, 16, 8))
    first, second = shared + 0.3 * rng.normal(size=shared.shape), shared
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert aligned_ncc(first, second) == pytest.approx(expected, abs=1e-6)
    assert aligned_ncc(first, 3 * second + 7) == pytest.approx(expected, abs=1e-6)


def test_strangers_and_constants_do_not_correlate():
    rng = np.random.default_rng(2)
    assert abs(aligned_ncc(*rng.normal(size=(2, 24, 24, 16)))) < 0.1
    assert aligned_ncc(np.ones((8, 8, 8)), rng.normal(size=(8, 8, 8))) == 0


def test_slabs_change_no_copy(monkeypatch):
    hu = np.random.default_rng(0).integers(-1100, 1200, (70, 66, 65)).astype(np.int16)
    whole = working_copy(hu, window=Window())
    monkeypatch.setattr(copies, "_SLAB_VOXELS", 20_000)
    assert (working_copy(hu, window=Window()) == whole).all()
