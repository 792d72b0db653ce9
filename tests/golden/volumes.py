"""Data set and generator of the golden run: ellipsoids painted with exactly rounded arithmetic, the same on every chip.

The phantom's own painting takes powers and sines in single precision, which differ by chip in the last digit: that is
enough to move a voxel at a region's border, and with it the sixth digit of a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.generators.base import GeneratorInfo, SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.progress import Progress
from medbench.spec import Grid

SHAPE = (24, 24, 12)
AFFINE = np.diag([12.0, 12.0, 20.0, 1.0])
NAMES: Mapping[int, str] = {1: "body", 2: "lung_left", 3: "lung_right", 4: "spine", 5: "heart"}
HU = np.array([-1000, 40, -850, -840, 420, 210])
# Two volumes of one patient are there on both sides; the held-out patients are as many as memorization needs.
PATIENTS: Mapping[Split, Sequence[int]] = {
    "train": [0, 0, 1, 1, *range(2, 26)],
    "select": [100],
    "test": [200, 201, 202, 203, 204, 205, 206, 207, 207],
}
_COPIED_EVERY = 3


def chance(seed: int, count: int) -> np.ndarray:
    """Return uniform numbers in 0..1 that depend on seed and place alone (splitmix64)."""
    z = np.uint64(seed % 2**32) * np.uint64(1_000_003) + np.arange(1, count + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**53


def anatomy(seed: int) -> LabelMap:
    """Return the regions of one body."""
    u = chance(seed, 8)
    x, y, z = (np.arange(length) - (length - 1) / 2 for length in SHAPE)
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]

    def ellipsoid(centre: Sequence[float], half_axes: Sequence[float]) -> np.ndarray:
        squares = [((axis - c) / a) ** 2 for axis, c, a in zip((x, y, z), centre, half_axes)]
        return squares[0] + squares[1] + squares[2] < 1

    labels = np.zeros(SHAPE, np.uint8)
    labels[ellipsoid((0, 0, 0), (10 + u[0], 8.5 + 1.5 * u[1], 40))] = 1
    labels[ellipsoid((-4.5, 0, 2.5), (3.5 + u[2], 5.5, 4 + u[3]))] = 2
    labels[ellipsoid((4.5, 0, 2.5), (3.5 + u[4], 5.5, 4 + u[3]))] = 3
    labels[ellipsoid((0, -7, 0), (1.2 + u[5], 1.2 + u[5], 40))] = 4
    labels[ellipsoid((u[6] - 1.5, 2, 1.5), (2.5 + u[7], 2.5, 2.5 + u[6]))] = 5
    return LabelMap(labels, AFFINE, NAMES)


def painted(label_map: LabelMap, seed: int, *, noise: float) -> Volume:
    """Return a volume with these regions: each its HU, a little off by seed, and noise on top."""
    regions = HU + np.floor(20 * chance(seed + 7, len(HU)))
    grain = np.floor(noise * (chance(seed + 11, label_map.voxels.size) - 0.5)).reshape(SHAPE)
    return Volume((regions[label_map.voxels] + grain).astype(np.int16), AFFINE)


def real_volume(seed: int) -> Volume:
    """Return a volume of the data set."""
    return painted(anatomy(seed), seed, noise=50)


class GoldenDataset:
    info: ClassVar = DatasetInfo(
        name="golden", version="1", summary="ellipsoids", license="Apache-2.0", source="tests", protocol="folder-2.5d"
    )

    def __init__(self, root: Path | None = None) -> None:
        self.grid: Grid | None = Grid(shape=SHAPE)

    def cases(self, split: Split) -> Sequence[Case]:
        first = 1000 * list(PATIENTS).index(split)
        return [
            Case(
                id=f"{split}{number:02}",
                split=split,
                patient=f"patient{patient}",
                read_volume=partial(real_volume, first + number),
                read_label_map=partial(anatomy, first + number),
            )
            for number, patient in enumerate(PATIENTS[split])
        ]

    def verify(self) -> list[Check]:
        return []

    def identity(self) -> dict[str, object]:
        return {"name": "golden", "version": "1"}


class GoldenGenerator:
    """Paints the regions it is given with too much noise and a voxel off; one sample in three copies a real volume."""

    info: ClassVar = GeneratorInfo(
        name="golden",
        version="1",
        capabilities=("conditional", "reconstructs"),
        presets=("tiny",),
        native_shape=SHAPE,
        license="Apache-2.0",
        paper="",
    )

    def __init__(self, preset: str, *, device: str) -> None:
        self.preset = preset
        self.device = device

    def fit(
        self,
        *,
        train: Sequence[Case],
        select: Sequence[Case],
        workspace: Path,
        seed: int,
        resume: bool,
        progress: Progress,
    ) -> Path:
        raise NotImplementedError

    def default_checkpoint(self) -> Path | None:
        return None

    def load(self, checkpoint: Path | None) -> None:
        pass

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        assert request.conditions is not None
        for number, (seed, condition) in enumerate(zip(request.seeds, request.conditions)):
            if number % _COPIED_EVERY == 0:
                yield Volume((real_volume(number + 4).voxels + 1).astype(np.int16), AFFINE)
            else:
                moved = LabelMap(np.roll(condition.voxels, 1, axis=number % 3), AFFINE, NAMES)
                yield painted(moved, seed, noise=90)

    def reconstruct(self, volume: Volume) -> Volume:
        return Volume((volume.voxels // 16 * 16).astype(np.int16), volume.affine)
