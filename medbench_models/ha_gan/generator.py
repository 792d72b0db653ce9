"""HA-GAN as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from medbench.generators.base import GeneratorInfo, TrainingData
from medbench_models.ha_gan.presets import PRESETS
from medbench_models.ha_gan.published import CHECKPOINTS, TRAINED_ON
from medbench_models.shared.slab_gan.plugin import SlabGanPlugin

if TYPE_CHECKING:
    from medbench_models.ha_gan.adversarial import HaganTask
    from medbench_models.shared.blueprint import Blueprint


class HaGan(SlabGanPlugin):
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
        license="Apache-2.0; tiny Apache-2.0, copdgene not stated",
        paper="doi 10.1109/JBHI.2022.3172976",
        trained_on={"tiny": (TrainingData("phantom", note="train split"),), **TRAINED_ON},
        native_shapes={
            "paper": (256, 256, 256), "cube128": (128, 128, 128), "full": (512, 512, 256), "copdgene": (256, 256, 256),
        },
    )  # fmt: skip

    presets = PRESETS
    checkpoints = CHECKPOINTS

    @staticmethod
    def task() -> type[HaganTask]:
        """Return critics, generator and both encoders in training."""
        from medbench_models.ha_gan.adversarial import HaganTask

        return HaganTask

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.ha_gan.config import NetworkConfig
        from medbench_models.ha_gan.networks import Generator
        from medbench_models.shared.slab_gan.blueprint import blueprint

        return blueprint(Generator, NetworkConfig)
