"""Slices as a radiologist expects them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medbench.drawing.panels import centre_slice

AXIAL, CORONAL, SAGITTAL = range(3)


# the middle is index 4; 8 is the last voxel towards Right, Anterior, Superior
@pytest.mark.parametrize(
    ("view", "index", "row", "column"),
    [
        (AXIAL, (8, 8, 4), 0, 0),  # patient's right anterior: top left
        (AXIAL, (0, 0, 4), 8, 8),
        (CORONAL, (8, 4, 8), 0, 0),  # right superior: top left
        (CORONAL, (0, 4, 8), 0, 8),
        (SAGITTAL, (4, 8, 8), 0, 0),  # anterior superior: top left
        (SAGITTAL, (4, 0, 0), 8, 8),
    ],
)
def test_slices_are_in_radiological_display(
    view: int, index: tuple[int, int, int], row: int, column: int, marked: Callable[..., Any]
) -> None:
    picture = centre_slice(marked(index), view)
    assert np.argwhere(picture == 1000).tolist() == [[row, column]]
