"""Small real volumes, and checkpoints that were judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.checkpoints.choice import CHECKPOINTS, Checkpoint, Judged
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.records.results import Report


@pytest.fixture(scope="session")
def phantoms() -> list[Volume]:
    return [generate(seed, (32, 32, 16))[0] for seed in range(8)]


@pytest.fixture
def judged(make_result: Any, replicates: Any, save_run: Any, tmp_path: Path) -> Callable[..., list[Judged]]:
    """Write runs with these values of a metric; a None is a checkpoint without a number."""

    def make(*values: float | None, metric: str = "fid25d", **fields: Any) -> list[Judged]:
        found = []
        for place, value in enumerate(values):
            checkpoint = Checkpoint(f"c{place}", place, tmp_path / f"c{place}")
            if value is None:
                found.append(Judged(checkpoint, None, "all voxels equal 7"))
                continue
            side = [value + 0.02 * (-1) ** group for group in range(8)]
            result = make_result(metric, value, replicates=replicates([value] * 8, side), cases=None, **fields)
            folder = save_run(f"{CHECKPOINTS}/c{place}", result)
            found.append(Judged(checkpoint, Report.read(folder / "results.json")))
        return found

    return make
