"""What a generator of CT volumes must offer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from medbench.progress import Progress

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench.datasets.base import Case
    from medbench.generators.examination import Examination
    from medbench.imaging.volume import LabelMap, Volume

Capability = Literal["unconditional", "conditional", "reconstructs"]
Stage = Literal["fit", "sample"]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class TrainingData:
    """What weights were trained on, for the leak declaration.

    Args:
        dataset: name of the data set, as it is registered or published under; case does not matter.
        part: which part of the weights saw it.
        note: what of the data set it was, or what nobody says about it.
    """

    dataset: str
    part: str = "weights"
    note: str = ""

    def in_words(self) -> str:
        """Return ``encoder trained on LIDC-IDRI (note)``."""
        return f"{self.part} trained on {self.dataset}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True)
class GeneratorInfo:
    """A generator's declaration, shown by ``medbench list models`` and stored with every run.

    Args:
        name: registered name, lower case.
        version: raised whenever the same checkpoint and seed would yield other voxels.
        capabilities: what it can do.
        presets: names of its configurations; the first is the default.
        native_shape: voxels (x, y, z) of what the default preset generates; None: the asked-for cases' own.
        license: licence of the code and, after a semicolon, of the weights where that is another one.
        paper: where it was published.
        trained_on: the data that the shipped or published weights of each preset saw.
        native_shapes: by preset, where it is made for another shape than the default one.
    """

    name: str
    version: str
    capabilities: tuple[Capability, ...]
    presets: tuple[str, ...]
    native_shape: Shape | None
    license: str
    paper: str
    trained_on: Mapping[str, tuple[TrainingData, ...]] = field(default_factory=dict)
    native_shapes: Mapping[str, Shape] = field(default_factory=dict)

    def shape_of(self, preset: str) -> Shape | None:
        """Return the voxels (x, y, z) that a preset is made for; None: the asked-for cases' own."""
        return self.native_shapes.get(preset, self.native_shape)


@dataclass(frozen=True)
class FitRequest:
    """What to train on, and where.

    Args:
        train: cases to learn from.
        select: cases to choose the weights by; none of them is reported on.
        workspace: folder that holds all state of the training, and the checkpoint at its end.
        seed: of the whole training.
        resume: go on where an earlier training in the workspace stopped; else it is replaced.
        progress: reports the steps.
        trained_on: what the cases are, for the checkpoint to state.
        identity: fingerprint of the data set and grid; what the workspace keeps of other cases is not used.
    """

    train: Sequence[Case]
    select: Sequence[Case]
    workspace: Path
    seed: int
    resume: bool
    progress: Progress
    trained_on: tuple[TrainingData, ...] = ()
    identity: str = ""


@dataclass(frozen=True)
class SampleRequest:
    """What to generate: one volume a seed.

    Args:
        seeds: one seed (0 .. 2**63-1) a sample; a sample depends on its own seed alone.
        conditions: one label map a sample, or None for unconditional sampling.
        cases: the held-out cases of the data set, aligned with ``seeds``; only pseudo-models read them.
    """

    seeds: Sequence[int]
    conditions: Sequence[LabelMap] | None = None
    cases: Sequence[Case] = ()


class Generator(Protocol):
    """A generator of CT volumes. Constructors only store their arguments; work happens in the methods.

    A generator speaks HU: windows, scaling, patches and native shape are its own business. It never touches run
    folders, metrics or the leaderboard. A class attribute ``weights``, one ``WeightFile`` or a tuple of them, names the
    files that ``medbench weights`` lists and fetches.
    """

    info: ClassVar[GeneratorInfo]

    def __init__(self, preset: str, *, device: str) -> None:
        """Store the preset's name (one of ``info.presets``) and the torch device (``cpu``, ``cuda``, ``cuda:1``).

        A generator whose settings users may change has a class attribute ``presets``, a ``Spec`` by preset, and takes
        a changed one as a third argument, ``config``, in place of the preset's own.
        """

    def fit(self, request: FitRequest) -> Path:
        """Train; return the checkpoint, which lies in the workspace as all state of the training does."""

    def default_checkpoint(self) -> Path | None:
        """Return the preset's shipped or downloaded weights; None where the generator has no weights at all.

        Raises:
            MissingExtraError: the weights are not here; the message says how to get or train them.
        """

    def load(self, checkpoint: Path | None) -> None:
        """Load weights (``weights_only`` or safetensors, nothing else).

        Raises:
            CheckpointError: damaged, or another model's.
        """

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume in HU a seed, in order."""

    def reconstruct(self, volume: Volume) -> Volume:
        """Pass a volume through the autoencoder; only with the capability ``reconstructs``."""


@runtime_checkable
class Predicts(Protocol):
    """A generator that says beforehand what memory it needs on a GPU: what cannot fit is refused before any work."""

    def predict(self, stage: Stage, shape: Shape, *, limit_bytes: float) -> Prediction:
        """Return the peak of a stage on volumes of a shape; no weights and no GPU are needed.

        Args:
            stage: what is to run.
            shape: voxels (x, y, z).
            limit_bytes: what there is; a generator that can save memory at a price does so only where it must.

        Raises:
            DataError: the shape does not suit the generator.
        """


@runtime_checkable
class Examines(Protocol):
    """A generator that says of a weight file what it holds and whether it can be sampled from; nothing is sampled."""

    @classmethod
    def examine(cls, file: Path, preset: str | None, *, device: str) -> Examination:
        """Return what a file holds.

        Args:
            file: a checkpoint, or a file of the model's public code.
            preset: the one to hold it against; None: the one that it fits best.
            device: that samples are to be made on.

        Raises:
            SpecError: no such preset.
            CheckpointError: the file cannot be read, holds code, or is another model's.
        """


@runtime_checkable
class Shaped(Protocol):
    """A generator whose weights decide the shape of what it generates without label maps."""

    def sample_shape(self) -> Shape:
        """Return the voxels (x, y, z) of a sample of the loaded weights."""


def sample_seed(run_seed: int, index: int) -> int:
    """Derive a sample's seed (63 bits) from the run's seed and the sample's index alone."""
    digest = hashlib.sha256(f"medbench sample {run_seed} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
