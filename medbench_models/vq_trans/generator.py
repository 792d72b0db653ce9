"""VQ-Trans as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import SpecError
from medbench.features.lpips import SQUEEZENET
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench_models.shared.plugin import VqvaePlugin
from medbench_models.vq_trans.config import VqTransConfig
from medbench_models.vq_trans.presets import PRESETS
from medbench_models.vq_trans.published import CHECKPOINTS

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.shared.blueprint import Blueprint
    from medbench_models.vq_trans.checkpoint import Loaded


class VqTrans(VqvaePlugin[VqTransConfig, "Loaded"]):
    """An autoregressive transformer over the codes of a VQ-VAE, one token after the other.

    It takes no label maps. Its length is fixed: a checkpoint makes volumes of one shape, and a token needs all those
    before it, so that a sample of full size takes thousands of steps. No public weights exist.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Graham et al. 2022, PMLR 172:457; sizes for 24 GB from Seyfarth et al. 2025, arXiv 2503.13211.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="vq-trans",
        version="1",
        capabilities=("unconditional", "reconstructs"),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0",
        paper="PMLR 172:457",
        trained_on={"tiny": (TrainingData("phantom", note="train split"),)},
        native_shapes={"paper": (448, 448, 256), "paper-full": (512, 512, 256), "paper-ds8": (512, 512, 256)},
    )

    presets = PRESETS
    checkpoints = CHECKPOINTS
    weights = (SQUEEZENET,)

    def fit(self, request: FitRequest) -> Path:
        """Train both stages; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, cases of several shapes, or of one that the VQ-VAE cannot halve.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.vq_trans.fitting import VqTransFitting, resampled

        shape = self.config.network.shape
        request = request if shape is None else resampled(request, shape)
        return VqTransFitting(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench_models.shared.precision import sampling_dtype
        from medbench_models.vq_trans.checkpoint import load

        loaded = load(path, self.config.network, self.device)
        loaded.transformer.to(sampling_dtype(self.device))
        return loaded

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.vq_trans.blueprint import BLUEPRINT

        return BLUEPRINT

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            SpecError: label maps were given.
        """
        from medbench_models.vq_trans.sampling import sample

        if request.conditions is not None:
            raise SpecError("vq-trans is unconditional and cannot follow label maps: leave out --conditional")
        for seed in request.seeds:
            yield sample(self.networks, seed, self.config.sampling)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that does not suit the networks.
        """
        from medbench_models.vq_trans.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes)
