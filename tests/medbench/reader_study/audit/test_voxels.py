from __future__ import annotations

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.reader_study.audit.voxels import MENDS, voxel_facts

SHAPE = (48, 48, 36)


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    return generate(1, SHAPE)[0].voxels


def test_every_trace_has_a_name_and_a_mend(hu: np.ndarray) -> None:
    found = voxel_facts(hu)
    assert found.keys() == MENDS.keys()
    assert all(np.isfinite(value) for value in found.values())


def test_small_and_constant_volumes_have_finite_traces() -> None:
    for voxels in (np.zeros((3, 3, 3), np.int16), np.full((12, 10, 6), -1000, np.int16)):
        assert all(np.isfinite(value) for value in voxel_facts(voxels).values())


def changed(hu: np.ndarray, kind: str) -> np.ndarray:
    voxels = hu.copy()
    if kind == "comb":
        return (voxels // 3 * 3).astype(np.int16)
    if kind == "truncation":
        return np.trunc(voxels * 1.0 + np.random.default_rng(0).normal(0, 0.7, voxels.shape)).astype(np.int16)
    if kind == "border":
        voxels[:, 0] = 0
    if kind == "background":
        voxels[voxels < -1000] = -1000
    if kind == "slices":
        voxels[..., 1::2] = voxels[..., :-1:2][..., : voxels[..., 1::2].shape[2]]
    if kind == "grid":
        voxels[::8] += 60
    return voxels


@pytest.mark.parametrize(
    ("kind", "trace", "more"),
    [
        ("comb", "missing HU (comb)", 0.2),
        ("border", "jump at the first y border", 1.0),
        ("background", "lowest HU", 1.0),
        ("grid", "grid of 8 voxels along x", 0.5),
    ],
)
def test_a_trace_shows_what_it_is_for(hu: np.ndarray, kind: str, trace: str, more: float) -> None:
    assert voxel_facts(changed(hu, kind))[trace] > voxel_facts(hu)[trace] + more


def test_up_sampled_slices_are_smooth_along_z(hu: np.ndarray) -> None:
    trace = "sharpness along z over in-plane"
    assert voxel_facts(changed(hu, "slices"))[trace] < 0.9 * voxel_facts(hu)[trace]


def test_truncation_doubles_zero() -> None:
    smooth = np.random.default_rng(0).normal(0, 20, (40, 40, 20))
    trace = "excess at 0 HU"
    assert voxel_facts(np.trunc(smooth).astype(np.int16))[trace] > 1.7
    assert voxel_facts(np.rint(smooth).astype(np.int16))[trace] == pytest.approx(1.0, abs=0.2)
