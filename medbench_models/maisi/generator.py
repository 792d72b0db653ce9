"""MAISI as two plug-ins of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench.storage.weights import WeightFile
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.presets import PRESETS, PRESETS_PT
from medbench_models.maisi.published import (
    CHECKPOINTS_PT,
    CHECKPOINTS_ST,
    FROZEN_SAW,
    TINY_AUTOENCODER,
    UNET_SAW,
)
from medbench_models.shared.plugin import Plugin, by_seed

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.maisi.checkpoint import Loaded
    from medbench_models.shared.blueprint import Blueprint

_PAPER = "arXiv 2409.11169, 2508.05772"
_NATIVE_SHAPE = (64, 64, 32)
_PAPER_SHAPES = dict.fromkeys(("paper", "ddpm", "rflow"), (512, 512, 128))


class Maisi(Plugin[MaisiConfig, "Loaded"]):
    """What both have: latent diffusion with a KL autoencoder, spacing as an input, a ControlNet for label maps.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Guo et al. 2025 (arXiv 2409.11169); Zhao et al. 2026 (arXiv 2508.05772).
    """

    frozen: ClassVar[bool]  # whether the autoencoder is a public one

    def fit(self, request: FitRequest) -> Path:
        """Train all stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, cases of several shapes, or labels without a translation.
            Unavailable: the public autoencoder is not here.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.maisi.fitting import MaisiPtFitting, MaisiStFitting

        kind = MaisiPtFitting if self.frozen else MaisiStFitting
        return kind(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench_models.maisi.checkpoint import load

        return load(path, self.info.name, self.config.network, self.device)

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.maisi.blueprint import BLUEPRINT

        return BLUEPRINT

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            CheckpointError: label maps were given, and the weights have no ControlNet.
            DataError: a label map has labels without a translation, or a shape that does not fit.
        """
        from medbench_models.maisi.sampling import sample

        for seed, condition in by_seed(request):
            yield sample(self.networks, seed, self.config.steps, device=self.device, condition=condition)

    def reconstruct(self, volume: Volume) -> Volume:
        """Return the volume after the autoencoder, on its own grid."""
        from medbench_models.maisi.sampling import reconstruct

        return reconstruct(self.networks, volume)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one; the ControlNet counts where the preset has one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.maisi.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes, frozen=self.frozen)


class MaisiSt(Maisi):
    """MAISI trained on the track alone: autoencoder, U-Net and ControlNet.

    It sees label maps in MAISI's own numbers, which know no chambers of the heart and no pulmonary artery.

    Args:
        preset: one of ``info.presets``.
        device: torch device.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="maisi-st",
        version="1",
        capabilities=("unconditional", "conditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=_NATIVE_SHAPE,
        license="Apache-2.0",
        paper=_PAPER,
        trained_on={"tiny": (TrainingData("phantom", note="train split"),)},
        native_shapes=_PAPER_SHAPES,
    )

    presets = PRESETS
    checkpoints = CHECKPOINTS_ST
    weights = (SQUEEZENET,)
    frozen = False


class MaisiPt(Maisi):
    """MAISI on the public autoencoder, which stays as it is: U-Net and ControlNet are trained, or public as well.

    It sees label maps in MAISI's own numbers, which know no chambers of the heart and no pulmonary artery. The public
    weights have seen spacings of 0.5 to 5 mm and fields of view of 256 mm and more, HU from -1000 to 1000.

    Args:
        preset: one of ``info.presets``.
        device: torch device.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="maisi-pt",
        version="1",
        capabilities=("unconditional", "conditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=_NATIVE_SHAPE,
        license="Apache-2.0; tiny Apache-2.0, the others NVIDIA's (stated in two ways: docs/models/maisi.md)",
        paper=_PAPER,
        trained_on={
            "tiny": (TrainingData("phantom", note="train split"), *FROZEN_SAW["tiny"]),
            "paper": FROZEN_SAW["paper"],
            "ddpm": (*UNET_SAW, *FROZEN_SAW["ddpm"]),
            "rflow": (*UNET_SAW, *FROZEN_SAW["rflow"]),
        },
        native_shapes=_PAPER_SHAPES,
    )

    presets = PRESETS_PT
    checkpoints = CHECKPOINTS_PT
    weights: ClassVar[tuple[WeightFile, ...]] = (*CHECKPOINTS_PT.files, TINY_AUTOENCODER)
    frozen = True
