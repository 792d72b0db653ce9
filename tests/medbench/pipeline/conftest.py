"""A small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.pipeline.options import RunOptions

METRICS = ("fid25d", "reconstruction")


@pytest.fixture
def options(toy_generator: str, toy_dataset: str, tmp_path: Path) -> RunOptions:
    return RunOptions(
        model=toy_generator, dataset=toy_dataset, metrics=METRICS, out=tmp_path / "run", device="cpu", workers=1, seed=3
    )
