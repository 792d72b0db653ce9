"""Phantoms of cubes, and label maps of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medbench.imaging.volume import LabelMap

SHAPE = (24, 20, 16)

SPACING = (2.0, 2.0, 4.0)

AFFINE = np.diag([*SPACING, 1.0])

NAMES = {1: "body", 2: "heart", 3: "lung"}


def anatomy(seed, *, heart=True, shift=0, names=None):
    """A box in a box whose place and size depend on the seed; ``shift`` moves the organs along x."""
    rng = np.random.default_rng(seed)
    low, size = rng.integers(2, 5, 3), rng.integers(5, 8, 3)
    voxels = np.ones(SHAPE, np.uint8)
    start = low[0] + shift
    voxels[start : start + size[0], low[1] : low[1] + size[1], low[2] : low[2] + size[2]] = 2 if heart else 1
    voxels[start + size[0] : start + size[0] + 6, low[1] : low[1] + 12, 3:12] = 3
    return LabelMap(voxels, AFFINE, NAMES if names is None else names)


@pytest.fixture(name="anatomy")
def anatomy_() -> Callable[..., Any]:
    return anatomy
