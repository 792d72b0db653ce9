"""What GANs that train on slabs share as plug-ins. PyTorch is imported where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.errors import SpecError
from medbench.generators.base import FitRequest, SampleRequest, Stage
from medbench.imaging.volume import Volume
from medbench_models.shared.config import SlabPreset
from medbench_models.shared.plugin import Plugin

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.shared.slab_gan.checkpoint import Loaded
    from medbench_models.shared.slab_gan.task import SlabGanTask


class SlabGanPlugin(Plugin[SlabPreset, "Loaded"]):
    """An unconditional GAN that trains on slabs and generates whole volumes; a subclass names its training.

    Args:
        preset: one of ``info.presets``.
        device: torch device.
    """

    @staticmethod
    def task() -> type[SlabGanTask[Any, Any]]:
        """Return the model's training."""
        raise NotImplementedError

    def fit(self, request: FitRequest) -> Path:
        """Train all networks; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, cases of several shapes, or of one that the generator cannot make.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.shared.slab_gan.fitting import SlabFitting

        return SlabFitting(self.task(), self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench_models.shared.precision import sampling_dtype
        from medbench_models.shared.slab_gan.checkpoint import load

        loaded = load(path, self.config.network, self.device, checkpoints=self.checkpoints)
        loaded.generator.to(sampling_dtype(self.device))
        return loaded

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            SpecError: label maps were given.
        """
        from medbench_models.shared.slab_gan.sampling import sample

        if request.conditions is not None:
            raise SpecError(f"{self.info.name} cannot be steered by label maps: leave out --conditional")
        for seed in request.seeds:
            yield sample(self.networks, seed, device=self.device)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that the generator cannot make; the message has the nearest.
        """
        from medbench_models.shared.slab_gan.memory import predict

        return predict(self.task(), self.config, stage, shape, limit_bytes=limit_bytes)
