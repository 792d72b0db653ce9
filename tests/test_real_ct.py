"""Real CT: sub-volumes of two public scans, and the same sub-volumes damaged; the scores must order the damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import medbench
from medbench.imaging.volume import Volume

DATA = Path(__file__).parent / "data"
SIDE = 40
Damage = Callable[[np.ndarray, float], np.ndarray]


def _crops(name: str) -> list[Volume]:
    """Cut a scan into eight disjoint cubes about its centre."""
    scan = Volume.read(DATA / name)
    origin = [(size - 2 * SIDE) // 2 for size in scan.shape]
    crops = []
    for corner in product((0, SIDE), repeat=3):
        where = tuple(slice(start + offset, start + offset + SIDE) for start, offset in zip(origin, corner))
        crops.append(Volume(np.ascontiguousarray(scan.voxels[where]), np.diag([*scan.spacing_mm, 1.0])))
    return crops


@pytest.fixture(scope="module", params=["cta_heart.nii.gz", "ct_abdomen_pelvis.nii.gz"])
def scan(request: pytest.FixtureRequest) -> Iterator[tuple[list[Volume], medbench.Accumulator]]:
    """The cubes, and what judges others against them: the numbers are those of ``medbench.evaluate``."""
    crops = _crops(request.param)
    with medbench.Accumulator(real=crops, metrics=["fid25d"], device="cpu") as judge:
        yield crops, judge


def _blur(hu: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(hu, sigma)


def _noise(hu: np.ndarray, sd: float) -> np.ndarray:
    return hu + np.random.default_rng(0).normal(0, sd, hu.shape)


def _shift(hu: np.ndarray, offset: float) -> np.ndarray:
    return hu + offset


@pytest.mark.parametrize(
    ("damage", "strengths"),
    [(_blur, (0.5, 1.0, 2.0)), (_noise, (20, 60, 180)), (_shift, (20, 80, 300))],
    ids=["blur", "noise", "shift"],
)
def test_fid25d_orders_damage(
    scan: tuple[list[Volume], medbench.Accumulator], damage: Damage, strengths: tuple[float, ...]
) -> None:
    crops, judge = scan
    values = [0.0]
    for strength in strengths:
        for crop in crops:
            hu = damage(crop.voxels.astype(np.float32), strength)
            judge.update(Volume(np.rint(hu).astype(np.int16), crop.affine))
        values.append(judge.compute().results[0].value)
        judge.reset()
    assert values == sorted(values)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(values[1:]))
