"""MedLoRD as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import MissingExtraError, SpecError
from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage
from medbench.imaging.volume import Volume
from medbench.storage.weights import WeightFile
from medbench_models.medlord.presets import PRESETS, preset
from medbench_models.medlord.published import PUBLISHED, checkpoint_of, how_to_have

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.medlord.checkpoint import Loaded


class MedLoRD:
    """Latent diffusion in the codebook of a VQ-VAE, for high-resolution 3D CT.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Seyfarth et al. 2025, arXiv 2503.13211.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="medlord",
        version="3",
        capabilities=("unconditional", "conditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0; Apache-2.0",
        paper="arXiv 2503.13211",
        trained_on={
            "tiny": ("phantom train split",),
            "luna-ds8": ("luna scans (which of them is not published)",),
        },
    )

    weights: ClassVar[tuple[WeightFile, ...]] = (
        *(file for files in PUBLISHED.values() for file in files.values()),
        SQUEEZENET,
    )

    def __init__(self, preset: str, *, device: str) -> None:
        self.preset = preset
        self.device = device
        self._loaded: Loaded | None = None

    def fit(self, request: FitRequest) -> Path:
        """Train all stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, or cases of several shapes.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.medlord.fitting import Fitting

        return Fitting(self.preset, preset(self.preset), request, device=self.device).run()

    def default_checkpoint(self) -> Path:
        """Return the shipped weights of the preset, or the public ones where they were converted.

        Raises:
            MissingExtraError: they are not here; the message says how to get or to train them.
        """
        path = checkpoint_of(self.preset)
        if not path.is_file():
            raise MissingExtraError(
                f"the weights of medlord's preset {self.preset!r} are not here: {how_to_have(self.preset)}"
            )
        return path

    def load(self, checkpoint: Path | None) -> None:
        """Load a checkpoint, the shipped one for None.

        Raises:
            CheckpointError: damaged, another model's, or another preset's.
        """
        from medbench.training.attention import best_backend
        from medbench_models.medlord.checkpoint import load
        from medbench_models.shared.attention import use_attention
        from medbench_models.shared.precision import sampling_dtype

        self._loaded = load(checkpoint or self.default_checkpoint(), preset(self.preset).network, self.device)
        for network in (self._loaded.unet, self._loaded.controlnet):
            if network is not None:
                use_attention(network, best_backend(self.device))
                network.to(sampling_dtype(self.device))

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            CheckpointError: label maps were given, and the weights have no ControlNet.
            DataError: a label map has labels that the model does not know.
            BudgetExceededError: the GPU has too little memory for the largest sample.
        """
        from medbench_models.medlord.memory import require_memory
        from medbench_models.medlord.sampling import sample

        config = preset(self.preset).sampling
        conditions = request.conditions if request.conditions is not None else [None] * len(request.seeds)
        described = self._networks().description
        steered = any(condition is not None for condition in conditions)
        network = described.network if steered else described.network.model_copy(update={"controlnet": None})
        shapes = (condition.shape for condition in conditions if condition is not None)
        shape = max(shapes, key=math.prod, default=described.shape)
        planned = preset(self.preset).model_copy(update={"network": network})
        require_memory(planned, "sample", shape, device=self.device)
        for seed, condition in zip(request.seeds, conditions, strict=True):
            yield sample(self._networks(), seed, config, device=self.device, condition=condition)

    def reconstruct(self, volume: Volume) -> Volume:
        """Return the volume after the VQ-VAE, on its own grid."""
        from medbench_models.medlord.sampling import reconstruct

        return reconstruct(self._networks(), volume, device=self.device)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one; the ControlNet counts where the preset has one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.medlord.memory import predict

        return predict(preset(self.preset), stage, shape, limit_bytes=limit_bytes)

    def _networks(self) -> Loaded:
        if self._loaded is None:
            raise SpecError("medlord has no weights yet: call load() first")
        return self._loaded
