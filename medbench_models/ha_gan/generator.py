"""HA-GAN as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import SpecError
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest, Stage, TrainingData
from medbench.imaging.volume import Volume
from medbench_models.ha_gan.config import HaganConfig
from medbench_models.ha_gan.presets import PRESETS
from medbench_models.ha_gan.published import CHECKPOINTS, TRAINED_ON
from medbench_models.shared.plugin import Plugin

if TYPE_CHECKING:
    from medbench.budget.prediction import Prediction
    from medbench_models.ha_gan.checkpoint import Loaded


class HaGan(Plugin[HaganConfig, "Loaded"]):
    """Hierarchical amortised GAN: trained on random slabs at full resolution, it generates whole volumes in one pass.

    It is unconditional. Values above 600 HU are cut, as in the published training. Its encoders bring volumes to latent
    vectors, but what the generator makes of those is another patient: it offers no reconstruction.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Sun et al. 2022, IEEE JBHI 26(8), doi 10.1109/JBHI.2022.3172976.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="ha-gan",
        version="1",
        capabilities=("unconditional",),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0; Apache-2.0 (copdgene: none stated)",
        paper="doi 10.1109/JBHI.2022.3172976",
        trained_on={"tiny": (TrainingData("phantom", note="train split"),), **TRAINED_ON},
        native_shapes={
            "paper": (256, 256, 256), "cube128": (128, 128, 128), "full": (512, 512, 256), "copdgene": (256, 256, 256),
        },
    )  # fmt: skip

    presets = PRESETS
    checkpoints = CHECKPOINTS

    def fit(self, request: FitRequest) -> Path:
        """Train all networks; return the checkpoint (safetensors, float16).

        Raises:
            SpecError: no such preset.
            DataError: no cases, cases of several shapes, or of one that the generator cannot make.
            CheckpointError: the workspace holds a damaged training or one with other settings.
        """
        from medbench_models.ha_gan.fitting import HaganFitting

        return HaganFitting(self.preset, self.config, request, device=self.device).run()

    def _read(self, path: Path) -> Loaded:
        from medbench_models.ha_gan.checkpoint import load
        from medbench_models.shared.precision import sampling_dtype

        loaded = load(path, self.config.network, self.device)
        loaded.generator.to(sampling_dtype(self.device))
        return loaded

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume a seed, one at a time: neither order nor number changes a sample.

        Raises:
            SpecError: label maps were given.
        """
        from medbench_models.ha_gan.sampling import sample

        if request.conditions is not None:
            raise SpecError("ha-gan cannot be steered by label maps: leave out --conditional")
        for seed in request.seeds:
            yield sample(self.networks, seed, device=self.device)

    def predict(self, stage: Stage, shape: tuple[int, int, int], *, limit_bytes: float) -> Prediction:
        """Return the memory that a stage needs on a GPU, without one.

        Raises:
            SpecError: no such preset.
            DataError: a shape that the generator cannot make; the message has the nearest.
        """
        from medbench_models.ha_gan.memory import predict

        return predict(self.config, stage, shape, limit_bytes=limit_bytes)
