"""VolDiT as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench_models.shared.plugin import VqvaePlugin, by_seed
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.presets import PRESETS
from medbench_models.voldit.published import CHECKPOINTS, FROZEN_SAW, PUBLIC_SAW, TINY_VQVAE

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.shared.blueprint import Blueprint
    from medbench_models.voldit.checkpoint import Loaded

_PUBLISHED = tuple(name for name in PRESETS if name != "tiny")


class VolDiT(VqvaePlugin[VolDiTConfig, "Loaded"]):
    """A diffusion transformer on the latents of MedLoRD's VQ-VAE, steered by label maps through a token adapter.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Seyfarth et al. 2026, arXiv 2603.25181.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="voldit",
        version="1",
        capabilities=("unconditional", "conditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0; tiny Apache-2.0, public weights not verified",
        paper="arXiv 2603.25181",
        trained_on={
            "tiny": (TrainingData("phantom", note="train split"), *FROZEN_SAW["tiny"]),
            **dict.fromkeys(_PUBLISHED, PUBLIC_SAW),
        },
        native_shapes=dict.fromkeys(_PUBLISHED, (512, 512, 256)),
    )

    presets = PRESETS
    checkpoints = CHECKPOINTS
    weights = (TINY_VQVAE, SQUEEZENET)

    def fit(self, request: FitRequest) -> Path:
        """Train all stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, or cases of several shapes.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.voldit.fitting import VolDiTFitting

        return VolDiTFitting(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench.training.attention import best_backend
        from medbench_models.shared.attention import use_attention
        from medbench_models.shared.precision import sampling_dtype
        from medbench_models.voldit.checkpoint import load

        loaded = load(path, self.config.network, self.device)
        use_attention(loaded.dit, best_backend(self.device))
        for network in (loaded.dit, loaded.adapter):
            if network is not None:
                network.to(sampling_dtype(self.device))
        return loaded

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.voldit.blueprint import BLUEPRINT

        return BLUEPRINT

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            CheckpointError: label maps were given, and the weights have no adapter.
            DataError: a label map has labels that the model does not know, or another shape than the weights make.
        """
        from medbench_models.voldit.sampling import sample

        for seed, condition in by_seed(request):
            yield sample(self.networks, seed, self.config.sampling, device=self.device, condition=condition)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one; the adapter counts where the preset has one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.voldit.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes)
