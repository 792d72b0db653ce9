"""A result, and what the tests of figures share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from medbench.records.results import Result


@pytest.fixture
def result() -> Result:
    return Result(
        metric="mine",
        value=3.14159,
        ci95=(2.71828, 3.60555),
        ci_method="delete-one-subject jackknife",
        floor=0.41421,
        better="lower",
        unit=None,
        n_real=8,
        n_synthetic=4,
        parts={"xy": 2.23607, "yz": 3.31662},
        floor_parts={"xy": 0.31831},
        fingerprint="0123456789ab",
        protocol={},
        stand_ins=("seeded-resnet",),
        seconds=12.3,
        table=None,
    )


@pytest.fixture
def is_picture() -> Callable[[Path], bool]:
    def check(path: Path) -> bool:
        pixels = imread(path)
        return bool(path.read_bytes().startswith(b"\x89PNG") and pixels.std() > 0.01 and min(pixels.shape[:2]) > 120)

    return check
