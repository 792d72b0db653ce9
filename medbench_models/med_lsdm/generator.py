"""Med-LSDM as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import SpecError
from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench_models.med_lsdm.config import MedLsdmConfig
from medbench_models.med_lsdm.presets import PRESETS
from medbench_models.med_lsdm.published import CHECKPOINTS
from medbench_models.shared.plugin import Plugin

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.med_lsdm.checkpoint import Loaded
    from medbench_models.shared.blueprint import Blueprint


class MedLsdm(Plugin[MedLsdmConfig, "Loaded"]):
    """Semantic diffusion in the latent space of a 3D VQ-GAN: volumes that show a label map, and none without one.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Tang et al. 2025, arXiv 2507.00206.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="med-lsdm",
        version="1",
        capabilities=("conditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0",
        paper="arXiv 2507.00206",
        trained_on={"tiny": (TrainingData("phantom", note="train split"),)},
        native_shapes={"slab": (256, 256, 32), "paper": (512, 512, 256)},
    )

    presets = PRESETS
    checkpoints = CHECKPOINTS
    weights = (SQUEEZENET,)

    def fit(self, request: FitRequest) -> Path:
        """Train both stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, cases of several shapes, or one without a label map.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.med_lsdm.fitting import MedLsdmFitting

        return MedLsdmFitting(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench_models.med_lsdm.checkpoint import load
        from medbench_models.shared.precision import sampling_dtype

        loaded = load(path, self.config.network, self.device)
        loaded.unet.to(sampling_dtype(self.device))
        return loaded

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            SpecError: no label maps were given.
            DataError: a label map has labels that the model does not know, or a shape that does not fit.
        """
        from medbench_models.med_lsdm.sampling import sample

        if request.conditions is None:
            raise SpecError(f"{self.info.name} draws label maps and makes nothing without one: give one for each seed")
        for seed, condition in zip(request.seeds, request.conditions, strict=True):
            yield sample(self.networks, seed, self.config.sampling, device=self.device, condition=condition)

    def reconstruct(self, volume: Volume) -> Volume:
        """Return the volume after the VQ-GAN, on its own grid.

        Raises:
            CheckpointError: the decoder of the loaded weights is steered by label maps.
        """
        from medbench_models.med_lsdm.sampling import reconstruct

        return reconstruct(self.networks, volume)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.med_lsdm.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes)

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.med_lsdm.blueprint import BLUEPRINT

        return BLUEPRINT
