"""CRF-GAN as a plug-in of medbench. PyTorch is imported where it is used, so that listing models stays quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from medbench.generators.base import GeneratorInfo, TrainingData
from medbench_models.crf_gan.presets import PRESETS
from medbench_models.crf_gan.published import CHECKPOINTS
from medbench_models.shared.slab_gan.plugin import SlabGanPlugin

if TYPE_CHECKING:
    from medbench_models.crf_gan.adversarial import CrfGanTask
    from medbench_models.shared.blueprint import Blueprint


class CrfGan(SlabGanPlugin):
    """GAN guided by a conditional random field: trained on random slabs, it generates whole volumes in one pass.

    It is unconditional, and it offers no reconstruction. Values above 600 HU are cut, as in the published training.

    Args:
        preset: one of ``info.presets``.
        device: torch device.

    Source: Shiri, Bruno, Loiacono 2025, arXiv 2503.10899.
    """

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="crf-gan",
        version="1",
        capabilities=("unconditional",),
        presets=tuple(PRESETS),
        native_shape=(64, 64, 32),
        license="Apache-2.0",
        paper="arXiv 2503.10899",
        trained_on={"tiny": (TrainingData("phantom", note="train split"),)},
        native_shapes={
            "paper": (256, 256, 256), "cube128": (128, 128, 128), "cube64": (64, 64, 64), "full": (512, 512, 256),
        },
    )  # fmt: skip

    presets = PRESETS
    checkpoints = CHECKPOINTS

    @staticmethod
    def task() -> type[CrfGanTask]:
        """Return critic, generator, random field and encoder in training."""
        from medbench_models.crf_gan.adversarial import CrfGanTask

        return CrfGanTask

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        from medbench_models.crf_gan.config import NetworkConfig
        from medbench_models.crf_gan.networks import Generator
        from medbench_models.shared.slab_gan.blueprint import blueprint

        return blueprint(Generator, NetworkConfig)
