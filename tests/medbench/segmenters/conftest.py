"""A TotalSegmentator without models and without seconds: files that look like its models, and a body for its API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.imaging.volume import Volume
from medbench.segmenters import total_models
from medbench.segmenters.total_models import HEART_CHAMBERS, TOTAL, Task
from medbench.segmenters.total_process import process_for

NUMBER = "aca_12345678901234"
API = """
import os, sys, time, nibabel, numpy as np
calls = []
def like(image, labels):
    return nibabel.nifti1.Nifti1Image(np.asarray(labels, np.uint8), image.affine)
def totalsegmentator(image, output, ml, task, device, quiet, nr_thr_saving):
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Neither the user's weights and licence nor another test's process are seen."""
    for name in ("TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "medbench"))
    yield
    process_for.cache_clear()


@pytest.fixture
def oblique() -> np.ndarray:
    return np.array([[1.4, 0.1, 0, -10], [-0.1, 1.6, 0, 5], [0, 0, 2.0, 7], [0, 0, 0, 1.0]])


@pytest.fixture
def volume(oblique: np.ndarray) -> Volume:
    return Volume(np.arange(120, dtype=np.int16).reshape(6, 5, 4) - 50, oblique)


@pytest.fixture
def write_files() -> Callable[[Path, Task], None]:
    """Return a function that writes files that look like a task's models."""

    def write(results: Path, task: Task) -> None:
        for model in task.models:
            folder = results / total_models._folder_name(model) / "trainer__plans__3d_fullres"
            (folder / "fold_0").mkdir(parents=True)
            for file in ("dataset.json", "plans.json"):
                (folder / file).write_text(f"{model} {file}", encoding="utf-8")
            torch.save({"network_weights": {}, "model": model}, folder / "fold_0" / "checkpoint_final.pth")

    return write


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_files: Callable[[Path, Task], None]) -> Path:
    results = tmp_path / "results"
    for task in (TOTAL, HEART_CHAMBERS):
        write_files(results, task)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(results))
    return results


@pytest.fixture
def licensed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure a licence number as totalseg_set_license does; return the user's file."""
    home = tmp_path / "totalseg"
    home.mkdir()
    config = {"totalseg_id": "totalseg_AAAAAAAA", "send_usage_stats": True, "prediction_counter": 3}
    (home / "config.json").write_text(json.dumps(config | {"license_number": NUMBER}), encoding="utf-8")
    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(home))
    return home / "config.json"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts a body in the place of TotalSegmentator's API; processes that start then use it."""
    package = tmp_path / "fake" / "totalsegmentator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(package.parent))

    def install(body: str) -> None:
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        (package / "python_api.py").write_text(API + lines, encoding="utf-8")

    return install


@pytest.fixture
def run(tmp_path: Path, volume: Volume) -> Callable[..., np.ndarray]:
    """Return a function that has a volume segmented in the process and returns the labels."""

    def segment(seen: Volume = volume, device: str = "cpu") -> np.ndarray:
        process = process_for(tmp_path, None)
        labels, affine = process.segment(seen, task="total", device=device)
        assert np.array_equal(affine, seen.affine)
        return labels

    return segment
