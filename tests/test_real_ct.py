"""Real CT: sub-volumes of two public scans, and the same sub-volumes damaged; the scores must order the damage."""

from __future__ import annotations

from collections.abc import Callable
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


def _write(volumes: list[Volume], folder: Path) -> Path:
    for index, volume in enumerate(volumes):
        volume.write(folder / f"{index:02d}.nii.gz")
    return folder


@pytest.fixture(scope="module", params=["cta_heart.nii.gz", "ct_abdomen_pelvis.nii.gz"])
def scan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Volume], Path]:
    crops = _crops(request.param)
    return crops, _write(crops, tmp_path_factory.mktemp("real"))


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
    scan: tuple[list[Volume], Path], damage: Damage, strengths: tuple[float, ...], tmp_path: Path
) -> None:
    crops, real = scan
    values = [0.0]
    for strength in strengths:
        damaged = [
            Volume(np.rint(damage(crop.voxels.astype(np.float32), strength)).astype(np.int16), crop.affine)
            for crop in crops
        ]
        folder = _write(damaged, tmp_path / str(strength))
        values.append(medbench.evaluate(folder, real=real, metrics=["fid25d"]).results[0].value)
    assert values == sorted(values)
    assert all(later > 1.5 * earlier for earlier, later in pairwise(values[1:]))
