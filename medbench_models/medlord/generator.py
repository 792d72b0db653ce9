"""MedLoRD as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.presets import PRESETS
from medbench_models.medlord.published import CHECKPOINTS
from medbench_models.shared.plugin import VqvaePlugin, by_seed

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.medlord.checkpoint import Loaded
    from medbench_models.shared.blueprint import Blueprint


class MedLoRD(VqvaePlugin[MedLoRDConfig, "Loaded"]):
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
        license="Apache-2.0",
        paper="arXiv 2503.13211",
        trained_on={
            "tiny": (TrainingData("phantom", note="train split"),),
            "luna-ds8": (TrainingData("luna", note="which of its scans is not published"),),
        },
        native_shapes={"luna-ds8": (512, 512, 256), "paper": (512, 512, 256)},
    )

    presets = PRESETS
    checkpoints = CHECKPOINTS
    weights = (*CHECKPOINTS.files, SQUEEZENET)

    def fit(self, request: FitRequest) -> Path:
        """Train all stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, or cases of several shapes.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.medlord.fitting import MedLoRDFitting

        return MedLoRDFitting(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench.training.attention import best_backend
        from medbench_models.medlord.checkpoint import load
        from medbench_models.shared.attention import use_attention
        from medbench_models.shared.precision import sampling_dtype

        loaded = load(path, self.config.network, self.device)
        for network in (loaded.unet, loaded.controlnet):
            if network is not None:
                use_attention(network, best_backend(self.device))
                network.to(sampling_dtype(self.device))
        return loaded

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.medlord.blueprint import BLUEPRINT

        return BLUEPRINT

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            CheckpointError: label maps were given, and the weights have no ControlNet.
            DataError: a label map has labels that the model does not know.
        """
        from medbench_models.medlord.sampling import sample

        for seed, condition in by_seed(request):
            yield sample(self.networks, seed, self.config.sampling, device=self.device, condition=condition)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one; the ControlNet counts where the preset has one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.medlord.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes)
