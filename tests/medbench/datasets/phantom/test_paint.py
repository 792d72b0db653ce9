"""Intensities of the painted thorax, and shapes that are sought in a box around them."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.datasets.phantom import paint as module
from medbench.datasets.phantom.dataset import generate
from medbench.datasets.phantom.thorax import LABELS, Thorax, draw


@pytest.fixture
def thorax() -> Thorax:
    return draw(np.random.default_rng(1))


@pytest.fixture
def canvas(thorax: Thorax) -> module._Canvas:
    """A canvas of 4 mm whose planes are bent, as a warp bends them."""
    x, y, z = np.meshgrid(*[np.arange(-80, 80, 4, dtype=np.float32)] * 3, indexing="ij")
    return module._Canvas(x + 5 * np.sin(y / 40), y - 4 * np.cos(z / 30), z + x / 16, thorax)


def test_intensities_are_those_of_contrast_ct() -> None:
    volume, labels = generate(5)
    medians = {name: np.median(volume.voxels[labels.voxels == value]) for value, name in LABELS.items()}
    assert -950 < medians["lung_left"] < -750
    assert medians["heart_ventricle_left"] > medians["heart_ventricle_right"] > medians["heart_myocardium"] > 50
    assert np.median(volume.voxels[labels.voxels == 0]) < -950
    assert volume.voxels.dtype == np.int16


@pytest.mark.parametrize("seed", range(8))
def test_an_ellipsoid_is_all_points_inside_it_wherever_it_lies(canvas: module._Canvas, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre, half_axes = rng.uniform(-90, 90, 3).astype(np.float32), rng.uniform(3, 70, 3).astype(np.float32)
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)
    offsets = np.stack([canvas.x - centre[0], canvas.y - centre[1], canvas.z - centre[2]])
    turned = frame[:, 0, None, None, None] * offsets[0]
    for axis in (1, 2):
        turned = turned + frame[:, axis, None, None, None] * offsets[axis]
    half = half_axes[:, None, None, None]
    assert np.array_equal(canvas.ellipsoid(centre, half_axes), ((offsets / half) ** 2).sum(axis=0) < 1)
    assert np.array_equal(canvas.ellipsoid(centre, half_axes, frame), ((turned / half) ** 2).sum(axis=0) < 1)
    bulging = canvas.ellipsoid(centre, half_axes, power=2.4)
    assert np.array_equal(bulging, (np.abs(offsets / half) ** 2.4).sum(axis=0) < 1)


def test_what_is_painted_on_a_part_is_painted_on_the_whole(canvas: module._Canvas) -> None:
    part = canvas.part((-20, -np.inf, -np.inf), (20, 10, np.inf))
    wanted = (np.abs(canvas.x) < 20) & (canvas.y < 10)
    part.fill((np.abs(part.x) < 20) & (part.y < 10), 7.0, "spine")
    assert part.x.size < canvas.x.size
    assert np.array_equal(canvas.hu == 7.0, wanted)
    assert {LABELS[value] for value in np.unique(canvas.label[wanted])} == {"spine"}
