"""The smallest track that stores a file of every kind: data, a generator that trains, instruments; in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.phantom.dataset import generate
from medbench.features.base import ExtractorInfo
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.segmenters.base import SegmenterInfo
from medbench.spec import Grid
from medbench.storage.tensors import read_weights, write_weights
from medbench.training.averaging import seeded
from medbench.training.chance import Chance
from medbench.training.loop import Plan, Stateful, launch, train
from medbench_models.shared.arrays import cache_volumes

SHAPE = (20, 20, 12)
COUNTS: dict[Split, int] = {"train": 6, "select": 2, "test": 4}
FIRST: dict[Split, int] = {"train": 0, "select": 100, "test": 200}
NAMES = {1: "lung", 2: "soft", 3: "bone"}
STEPS = 40


def regions_of(volume: Volume) -> LabelMap:
    hu = volume.voxels.astype(np.float32)
    labels = np.select([hu > 250, hu > -150, (hu > -950) & (hu < -550)], [3, 2, 1], 0).astype(np.uint8)
    return LabelMap(labels, volume.affine, NAMES)


def _volume(seed: int) -> Volume:
    return generate(seed, SHAPE)[0]


def _regions(seed: int) -> LabelMap:
    return regions_of(_volume(seed))


class Bodies:
    """Twelve small phantoms."""

    info: ClassVar = DatasetInfo("bodies", "1", "small phantoms", "Apache-2.0", "tests", "folder-2.5d")

    def __init__(self, root: Path | None = None) -> None:
        self.grid: Grid | None = Grid(shape=SHAPE)

    def cases(self, split: Split) -> Sequence[Case]:
        seeds = range(FIRST[split], FIRST[split] + COUNTS[split])
        return [Case(f"b{s}", split, f"b{s}", partial(_volume, s), partial(_regions, s)) for s in seeds]

    def verify(self) -> list[Check]:
        return []

    def identity(self) -> dict[str, object]:
        return {"name": "bodies", "version": "1"}


class _Levels:
    """Learns the mean HU of volumes, so that samples rest on weights that were trained."""

    def __init__(self, volumes: Mapping[str, np.ndarray], seed: int) -> None:
        self.volumes = volumes
        with seeded(seed):
            self.level = torch.nn.Linear(1, 1)

    def setup(self, fabric: Fabric) -> None:
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.level.parameters(), lr=0.03)
        self.net, self.optimiser = fabric.setup(self.level, optimiser)

    def load(self, index: int, chance: Chance) -> np.ndarray:
        (samples,) = chance.batches(2)
        return samples.integers(len(self.volumes["train"])).numpy()

    def step(self, index: int, rows: np.ndarray) -> Mapping[str, torch.Tensor]:
        loss = (self.net(torch.ones(1, 1)) - self._mean("train", rows)).square().mean()
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.optimiser.step()
        return {"mse": loss.detach()}

    def validate(self) -> Mapping[str, float]:
        with torch.no_grad():
            found = self.net(torch.ones(1, 1)) - self._mean("select", np.arange(len(self.volumes["select"])))
        return {"score": float(found.abs().mean())}

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.level.state_dict().items()}

    def state(self) -> Mapping[str, Stateful]:
        return {"level": self.level, "optimiser": self.optimiser}

    def _mean(self, split: str, rows: np.ndarray) -> float:
        return float(self.volumes[split][rows].astype(np.float64).mean()) / 1000.0


class Levelled:
    """Label maps filled with HU, with noise as strong as the weights say."""

    info: ClassVar = GeneratorInfo(
        "levelled", "1", ("unconditional", "conditional"), ("tiny",), SHAPE, "Apache-2.0", "tests"
    )

    def __init__(self, preset: str, *, device: str) -> None:
        self.scale = 0.0

    def fit(self, request: FitRequest) -> Path:
        cases = {"train": request.train, "select": request.select}
        volumes = {
            name: cache_volumes(
                part, request.workspace / f"volumes-{name}.npy", request.progress, identity=request.identity
            )
            for name, part in cases.items()
        }
        settings = {"data": request.identity}
        plan = Plan("train levels", STEPS, request.seed, 10, 10, 20, settings)
        trained = train(
            _Levels(volumes, request.seed),
            plan,
            fabric=launch("cpu"),
            folder=request.workspace / "levels",
            resume=request.resume,
            progress=request.progress,
        )
        path = request.workspace / "levelled.safetensors"
        write_weights(path, trained.weights, {"model": "levelled", "step": trained.step}, stored="float32")
        return path

    def default_checkpoint(self) -> Path | None:
        return None

    def load(self, checkpoint: Path | None) -> None:
        assert checkpoint is not None
        weights, _ = read_weights(checkpoint, model="levelled")
        self.scale = 60.0 * (1.0 + abs(float(weights["weight"].sum() + weights["bias"].sum())))

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        assert request.conditions is not None
        for seed, condition in zip(request.seeds, request.conditions):
            hu = np.array([-1000.0, -800.0, 40.0, 400.0])[condition.voxels]
            noise = np.random.default_rng(seed).normal(0.0, self.scale, SHAPE)
            yield Volume(np.rint(hu + noise).astype(np.int16), condition.affine)

    def reconstruct(self, volume: Volume) -> Volume:
        raise NotImplementedError


class Histogram:
    """A slice's histogram for features."""

    info: ClassVar = ExtractorInfo("histogram", "1", dimension=8, stand_in=False, license="Apache-2.0", source="tests")

    def __init__(self, *, device: str) -> None:
        del device

    def weights_sha256(self) -> str:
        return "none"

    def features(self, slices: np.ndarray) -> np.ndarray:
        counted = [np.histogram(one, bins=8, range=(0, 1))[0] / one[0].size for one in slices]
        return np.stack(counted).astype(np.float32)


class Thresholds:
    """Regions by their HU."""

    info: ClassVar = SegmenterInfo("thresholds", "1", stand_in=False, license="Apache-2.0", source="tests")

    def __init__(self, *, device: str) -> None:
        del device

    def names(self) -> Mapping[int, str]:
        return NAMES

    def weights_sha256(self) -> str:
        return "none"

    def segment(self, volume: Volume) -> LabelMap:
        return regions_of(volume)
