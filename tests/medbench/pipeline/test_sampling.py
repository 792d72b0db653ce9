"""Samples made by several processes are those of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.engines import devices
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.records.manifest import Manifest, SampleRecord


def made(run: Run) -> dict[int, dict[str, Any]]:
    records: dict[int, SampleRecord] = Manifest(run.folder.samples).records()
    return {index: record.model_dump(exclude={"seconds"}) for index, record in records.items()}


def test_each_gpu_samples_a_part_in_a_process(
    options: RunOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that is said to have two GPUs; the processes find none and compute on the CPU."""
    alone = Run(replace(options, samples=3, out=tmp_path / "alone"), silent)
    alone.sample()
    monkeypatch.setattr(devices, "gpus_to_share", lambda asked: ("0", "1") if asked == "auto" else ())
    both = Run(replace(options, samples=3, workers=None, device="auto"), silent)
    both.sample()
    assert made(both) == made(alone)
    assert "generator" not in vars(both)  # this process has loaded no weights
    memory = both.record.stages["sample"].memory
    assert memory is not None
    assert memory.rss_bytes > 0
    assert [path.name for path in both.folder.samples.glob(".*")] == []


@pytest.mark.slow
def test_workers_that_were_asked_for_sample_a_part_each_on_a_cpu(options: RunOptions, tmp_path: Path) -> None:
    alone = Run(replace(options, samples=3, out=tmp_path / "alone"), silent)
    alone.sample()
    both = Run(replace(options, samples=3, workers=2), silent)
    both.sample()
    assert made(both) == made(alone)
    assert "generator" in vars(alone) and "generator" not in vars(both)
