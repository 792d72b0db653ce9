"""A volume with one voxel to look for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medbench.imaging.volume import Volume


def marked(index: tuple[int, int, int]) -> Volume:
    voxels = np.full((9, 9, 9), -1000, np.int16)
    voxels[index] = 1000
    return Volume(voxels)


@pytest.fixture(name="marked")
def marked_() -> Callable[..., Any]:
    return marked
