"""The data set of ``test_real_size.py``, which also counts: engines import it into every process of the evaluation.

Each process adds a line to ``REAL_SIZE_LOG`` for each read of a volume and each derivation (its CPU seconds), and one
with its peak memory when it ends. Source of the voxels: the public scans in ``tests/data``, mirrored to size, with
noise.
"""

from __future__ import annotations

import functools
import json
import multiprocessing.util
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.evaluation import evaluation, one_pass
from medbench.evaluation.instruments import Instruments
from medbench.imaging.volume import LabelMap, Volume
from medbench.spec import Grid

SHAPE = tuple(int(size) for size in os.environ.get("MEDBENCH_BENCHMARK_SHAPE", "512x512x256").split("x"))
SIZES: dict[Split, int] = {"train": 4, "select": 0, "test": 2}
FIRST: dict[Split, int] = {"train": 0, "select": 100, "test": 200}
REGIONS = {1: "lung_left", 2: "lung_right", 3: "heart", 4: "spine"}
SCANS = Path(__file__).parents[1] / "data"


def make(seed: int) -> tuple[Volume, LabelMap]:
    """Return a CT-like volume, a mirrored cut of a public scan with noise, and a label map of four regions."""
    chance = np.random.default_rng(seed)
    scan = Volume.read(SCANS / ("ct_abdomen_pelvis.nii.gz", "cta_heart.nii.gz")[seed % 2])
    voxels = np.roll(scan.voxels, chance.integers(0, 40, 3), axis=(0, 1, 2))
    for axis, size in enumerate(SHAPE):
        folds = -(-size // voxels.shape[axis])
        voxels = np.concatenate([voxels if fold % 2 else np.flip(voxels, axis) for fold in range(folds)], axis)
        voxels = voxels.take(range(size), axis)
    labels = np.zeros(SHAPE, np.uint8)
    third = [size // 3 - int(chance.integers(1, size // 24)) for size in SHAPE]
    for value, (x, y) in zip(REGIONS, ((0, 1), (2, 1), (1, 0), (1, 2))):
        block = np.s_[x * third[0] : (x + 1) * third[0], y * third[1] : (y + 1) * third[1], third[2] : 2 * third[2]]
        labels[block] = value
    for plane in voxels:
        plane += np.rint(chance.normal(0, 12, plane.shape)).astype(np.int16)
    affine = np.diag([0.7, 0.7, 1.0, 1.0])
    return Volume(np.ascontiguousarray(voxels), affine), LabelMap(labels, affine, REGIONS)


def read_volume(path: Path) -> Volume:
    return Volume.read(path)


def read_label_map(path: Path) -> LabelMap:
    return LabelMap.read(path, REGIONS)


class RealSize:
    info: ClassVar = DatasetInfo(
        name="real-size", version="1", summary="CT-like volumes", license="see tests/data", source="tests",
        protocol="folder-2.5d",
    )  # fmt: skip

    def __init__(self, root: Path | None = None) -> None:
        assert root is not None
        self._root = root
        x, y, z = SHAPE
        self.grid: Grid | None = Grid(shape=(x, y, z))

    def cases(self, split: Split) -> Sequence[Case]:
        names = [f"{FIRST[split] + number}" for number in range(SIZES[split])]
        return [
            Case(
                id=name, split=split, patient=name,
                read_volume=functools.partial(read_volume, self._root / "real" / f"{name}.nii.gz"),
                read_label_map=functools.partial(read_label_map, self._root / "real-masks" / f"{name}.nii.gz"),
            )
            for name in names
        ]  # fmt: skip

    def verify(self) -> list[Check]:
        return []

    def identity(self) -> dict[str, object]:
        return {"name": "real-size", "version": "1"}


def _log(**line: Any) -> None:
    with Path(os.environ["REAL_SIZE_LOG"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), **line}) + "\n")


def _timed(what: str, function: Any, name: Any) -> Any:
    @functools.wraps(function)
    def measured(*arguments: Any, **named: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        found = function(*arguments, **named)
        _log(what=what, name=name(*arguments), cpu=time.thread_time() - cpu, wall=time.perf_counter() - wall)
        return found

    return measured


def _count() -> None:
    for kind in (Volume, LabelMap):
        kind.read = _timed("read", kind.read, lambda path, *_: str(path))  # type: ignore[method-assign]
    Instruments.derived = _timed("derive", Instruments.derived, lambda _, opened, what: what.name)  # type: ignore[method-assign]
    one_pass.known_facts = _timed("derive", one_pass.known_facts, lambda *_: "facts")
    evaluation.measure_all = _timed("measured", evaluation.measure_all, lambda *_: "")
    peak = lambda: _log(what="end", name="", peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # noqa: E731
    multiprocessing.util.Finalize(None, peak, exitpriority=1)


if "REAL_SIZE_LOG" in os.environ:
    _count()
