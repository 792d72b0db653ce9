"""A small data set, a small generator and a small metric, loaded by path like a user's own plug-ins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.phantom.dataset import PhantomDataset, affine, generate
from medbench.errors import CheckpointError
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Shape, Stage
from medbench.imaging.volume import Volume
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.spec import Grid
from medbench.storage.files import write_text

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction

SHAPE = (32, 32, 16)
SIZES: dict[Split, int] = {"train": 8, "select": 2, "test": 4}


class ToyDataset:
    info: ClassVar = DatasetInfo(
        name="toy", version="1", summary="small phantoms", license="Apache-2.0", source="tests", protocol="folder-2.5d"
    )

    def __init__(self, root: Path | None = None) -> None:
        self._phantom = PhantomDataset(root, shape=SHAPE)
        self.grid: Grid | None = Grid(shape=SHAPE)

    def cases(self, split: Split) -> Sequence[Case]:
        return self._phantom.cases(split)[: SIZES[split]]

    def verify(self) -> list[Check]:
        return []

    def identity(self) -> dict[str, object]:
        return {"name": "toy", "version": "1"}


class ToyGenerator:
    """Phantoms of other seeds, made a little wrong; the pause lets a test kill a run between two samples."""

    info: ClassVar = GeneratorInfo(
        name="toy",
        version="1",
        capabilities=("unconditional", "reconstructs"),
        presets=("tiny",),
        native_shape=SHAPE,
        license="Apache-2.0",
        paper="",
    )
    pause_s = 0.05

    def __init__(self, preset: str, *, device: str) -> None:
        self.preset = preset
        self.device = device

    def fit(self, request: FitRequest) -> Path:
        checkpoint = request.workspace / "toy.txt"
        write_text(checkpoint, f"seed {request.seed}, {len(request.train)} cases")
        return checkpoint

    def default_checkpoint(self) -> Path | None:
        return None

    def load(self, checkpoint: Path | None) -> None:
        if checkpoint is not None and not checkpoint.read_text(encoding="utf-8").startswith("seed"):
            raise CheckpointError(f"{checkpoint} is no checkpoint of toy: train one with --train")

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        for seed in request.seeds:
            time.sleep(self.pause_s)
            volume, _ = generate(seed % 1_000_000 + 1_000_000, SHAPE)
            noise = np.random.default_rng(seed).normal(0, 40, SHAPE)
            yield Volume(np.rint(volume.voxels + noise).astype(np.int16), affine(SHAPE))

    def reconstruct(self, volume: Volume) -> Volume:
        return Volume((volume.voxels // 16 * 16).astype(np.int16), volume.affine)


class FullSizeDataset:
    """A few phantoms of 64 x 64 x 32 voxels, which the phantom's segmenter knows; seeds as in the data set phantom."""

    info: ClassVar = DatasetInfo(
        name="full-size",
        version="1",
        summary="few phantoms",
        license="Apache-2.0",
        source="tests",
        protocol="phantom-2.5d",
    )

    def __init__(self, root: Path | None = None) -> None:
        self._phantom = PhantomDataset(root)
        self.grid: Grid | None = self._phantom.grid

    def cases(self, split: Split) -> Sequence[Case]:
        return self._phantom.cases(split)[: {"train": 2, "select": 1, "test": 2}[split]]

    def verify(self) -> list[Check]:
        return []

    def identity(self) -> dict[str, object]:
        return {"name": "full-size", "version": "1"}


class ToyMetric:
    """How far the mean HU of both sides are apart."""

    info: ClassVar = MetricInfo(
        name="toy",
        version="1",
        summary="distance of the mean HU",
        better="lower",
        unit="HU",
        min_real=2,
        min_synthetic=2,
        source="tests",
        needs=("segmenter",),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        means = [float(np.mean([volume.voxels.mean() for volume in side.volumes()])) for side in sides]
        fewest = min(len(set(side.subjects)) for side in sides)
        return Measurement(abs(means[0] - means[1]), None, f"absent: toys have none, and there are {fewest} subjects")


class HungryGenerator(ToyGenerator):
    """Passes its samples through two layers; its predictions are whatever a test claims, in GiB of live tensors."""

    info: ClassVar = GeneratorInfo(
        name="hungry",
        version="1",
        capabilities=("unconditional", "conditional"),
        presets=("lavish", "frugal"),
        native_shape=SHAPE,
        license="Apache-2.0",
        paper="",
    )
    claims: ClassVar[dict[str, float]] = {"lavish": 8.0, "frugal": 2.0}
    channels: ClassVar[dict[str, int]] = {"lavish": 128, "frugal": 2}

    def predict(self, stage: Stage, shape: Shape, *, limit_bytes: float) -> Prediction:
        from medbench.budget.prediction import Prediction, TensorSize

        claimed = int(self.claims[self.preset] * 2**30 * np.prod(shape) / np.prod(SHAPE))
        return Prediction(claimed, (TensorSize(claimed // 2, (1, 128, *shape), "float32", "Sequential.0"),))

    def fit(self, request: FitRequest) -> Path:
        self._pass()
        return super().fit(request)

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        for volume in super().sample(request):
            self._pass()
            yield volume

    def _pass(self) -> None:
        import torch

        channels = self.channels[self.preset]
        network = torch.nn.Sequential(torch.nn.Conv3d(1, channels, 1), torch.nn.Conv3d(channels, 1, 1))
        with torch.no_grad():
            network(torch.zeros(1, 1, *SHAPE))
