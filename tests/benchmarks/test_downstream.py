"""Time and scores of the downstream metric's tiny preset, with the real nnU-Net. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks/test_downstream.py
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

import medbench
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import LabelMap

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600), pytest.mark.filterwarnings("default")]

SAMPLES = 16
FIRST_SEED = 900_000  # phantoms that no split of the data set holds


class Told:
    """Prints what the metric says about its steps."""

    def track(self, items, *, task, total=None):
        del task, total
        yield from items

    def note(self, message: str) -> None:
        print(message, flush=True)


@pytest.mark.parametrize("shift", [0, 8], ids=["good", "shifted-labels"])
def test_tiny_preset_on_the_phantom(shift: int, tmp_path_factory, tmp_path: Path, monkeypatch) -> None:
    # Both cases share the home folder, so that the second shows what the shared real arm saves.
    home = tmp_path_factory.getbasetemp() / "home"
    monkeypatch.setenv("MEDBENCH_HOME", str(home))
    for index in range(SAMPLES):
        volume, labels = generate(FIRST_SEED + index)
        moved = LabelMap(np.roll(labels.voxels, shift, axis=0), labels.affine, labels.names)
        volume.write(tmp_path / "samples" / f"{index:03}.nii.gz")
        moved.write(tmp_path / "masks" / f"{index:03}.nii.gz")
    (tmp_path / "masks" / "labels.json").write_text(json.dumps({str(k): v for k, v in labels.names.items()}))
    clock = time.perf_counter()
    report = medbench.evaluate(
        tmp_path / "samples",
        dataset="phantom",
        masks=tmp_path / "masks",
        metrics=["downstream"],
        out=tmp_path / "out",
        progress=Told(),
    )
    print(f"\nwhole evaluation: {time.perf_counter() - clock:.0f} s")
    (result,) = report.results
    print(f"value {result.value:.3f} {result.ci95}, ceiling {result.ceiling:.3f}")
    for note in result.notes:
        print(note)
    for name, part in result.parts.items():
        print(f"{name:36}", {key: round(figure, 3) for key, figure in part.items()})
