"""A small run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medbench.pipeline.options import RunOptions

METRICS = ("fid25d", "reconstruction")


@pytest.fixture(scope="module")
def anywhere(toy_generator: str, toy_dataset: str) -> RunOptions:
    """The options of a small run but for its folder."""
    return RunOptions(model=toy_generator, dataset=toy_dataset, metrics=METRICS, device="cpu", workers=1, seed=3)


@pytest.fixture
def options(anywhere: RunOptions, tmp_path: Path) -> RunOptions:
    return replace(anywhere, out=tmp_path / "run")
