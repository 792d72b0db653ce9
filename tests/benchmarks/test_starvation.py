"""Does data starve a training? Seconds to load a step beside seconds to take it, for the stages of MedLoRD.

pytest -m benchmark -s tests/benchmarks/test_starvation.py

Its stages load what others load, too: crops, codes that are looked up, label maps. The networks are those of the preset
for 512x512x256 voxels, on smaller volumes: loading and convolutions cost by the voxel, and attention costs more, so
that the share of loading is at most as large at full size. Beside it stands what loading a step costs at full size,
with crops as large as the preset's. It prints; it decides nothing.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case
from medbench.datasets.phantom.dataset import generate
from medbench.generators.base import FitRequest
from medbench.imaging.volume import LabelMap
from medbench.pipeline.presets import choose_preset
from medbench.progress import silent
from medbench.training.chance import Chance
from medbench.training.loop import Plan, Trained
from medbench_models.medlord.generator import MedLoRD
from medbench_models.medlord.presets import PRESETS
from medbench_models.shared import fitting

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PRESET, SMALL, FACTOR = "paper", (64, 64, 32), 8
# The perceptual loss is left out, since its weights may not be here: with it a step takes longer.
SETTINGS = (
    "stage1.perceptual_weight=0", "stage1.crop=64,64,32", "stage1.precision=32-true", "stage2.precision=32-true",
    "stage3.precision=32-true",
)  # fmt: skip
STEPS = 2  # that are measured, after one that is not


def case(regions: tuple[str, ...], split: str, seed: int) -> Case:
    """A phantom whose label map has a model's regions, whatever their places."""

    def labels() -> LabelMap:
        label_map = generate(seed, SMALL)[1]
        named = [value for value in label_map.names if value][: len(regions)]
        kept = np.where(np.isin(label_map.voxels, named), label_map.voxels, 0).astype(np.uint8)
        return dataclasses.replace(label_map, voxels=kept, names=dict(zip(named, regions)))

    return Case(f"c{seed}", split, f"c{seed}", lambda: generate(seed, SMALL)[0], labels)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, or on a GPU those that pass until it is done; and what came of it."""
    clock = time.process_time if DEVICE == "cpu" else time.monotonic
    begun = clock()
    found = work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return clock() - begun, found


def enlarged(value: Any, folder: Path) -> Any:
    """Examples whose arrays are longer along each of the last three axes, mapped from files."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {one.name: enlarged(getattr(value, one.name), folder) for one in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if not isinstance(value, np.ndarray):
        return value
    path = folder / f"{len(list(folder.glob('*.npy')))}.npy"
    shape = (len(value), *(FACTOR * size for size in value.shape[1:]))
    large = np.lib.format.open_memmap(path, "w+", dtype=value.dtype, shape=shape)
    for row, small in zip(large, value):
        row[...] = np.kron(small, np.ones((FACTOR,) * 3, small.dtype))
    large.flush()
    return np.load(path, mmap_mode="r")


def measured(rows: list[str], space: Path, task: Any, plan: Plan, **others: Any) -> Trained:
    """Stand in for the training of a stage: take a few steps, and note what they and their loading took."""
    task.setup(others["fabric"])
    loading, stepping = [], []
    for index in range(1 + STEPS):
        spent, loaded = seconds(partial(task.load, index, Chance(0, index)))
        loading.append(spent)
        stepping.append(seconds(partial(task.step, index, loaded))[0])
    load, step = (float(np.mean(found[1:])) for found in (loading, stepping))
    weights = {name: value.detach().cpu().clone() for name, value in task.weights().items()}
    name = plan.name.removeprefix("train ")
    where = space / name
    where.mkdir()
    task.train = enlarged(task.train, where)
    if name == "stage1":
        task.config = task.config.model_copy(update={"crop": PRESETS[PRESET].stage1.crop})
    full = np.mean([seconds(partial(task.load, at, Chance(1, at)))[0] for at in range(1 + STEPS)][1:])
    rows.append(
        f"{name}: load {load:.4f} s, step {step:.4f} s, load / step {load / step:.4f}; load at full size {full:.3f} s"
    )
    return Trained(weights=weights, scores={"score": 0.0, "psnr": 0.0}, step=STEPS)


def test_loading_beside_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[str] = []
    monkeypatch.setattr(fitting, "train", partial(measured, rows, tmp_path))
    generator = choose_preset(MedLoRD, PRESET, SETTINGS, None).make(DEVICE)
    regions = generator.config.network.controlnet.regions
    first = {"train": 0, "select": 9}
    train, select = ([case(regions, split, first[split] + index) for index in range(2)] for split in first)
    generator.fit(FitRequest(train, select, tmp_path / "fit", seed=0, resume=False, progress=silent))
    assert len(rows) == 3
    print(f"\n{PRESET}, volumes of {'x'.join(map(str, SMALL))}, {DEVICE}, a step:")
    print("\n".join(rows))
