"""What generators on PyTorch share as plug-ins. PyTorch is imported where it is used, so that listing stays quick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from medbench.errors import SpecError
from medbench.generators.base import GeneratorInfo, SampleRequest
from medbench.imaging.volume import LabelMap, Volume
from medbench.storage.weights import WeightFile
from medbench_models.shared.config import preset_of
from medbench_models.shared.weights import Checkpoints

if TYPE_CHECKING:
    from medbench.generators.examination import Examination
    from medbench_models.shared.blueprint import Blueprint

Config = TypeVar("Config")
Loaded = TypeVar("Loaded")


class Plugin(Generic[Config, Loaded]):
    """A generator with presets and one checkpoint file; a subclass trains, reads, samples and predicts.

    Args:
        preset: one of ``info.presets``.
        device: torch device.
        config: in place of the preset's own configuration.
    """

    info: ClassVar[GeneratorInfo]
    presets: ClassVar[Mapping[str, Any]]
    checkpoints: ClassVar[Checkpoints]
    weights: ClassVar[tuple[WeightFile, ...]] = ()

    def __init__(self, preset: str, *, device: str, config: Config | None = None) -> None:
        self.preset = preset
        self.device = device
        self._config = config
        self._loaded: Loaded | None = None

    @property
    def config(self) -> Config:
        """The configuration that was given, else the preset's.

        Raises:
            SpecError: there is no preset of that name.
        """
        if self._config is not None:
            return self._config
        config: Config = preset_of(self.info.name, self.presets, self.preset)
        return config

    def default_checkpoint(self) -> Path:
        """Return the preset's own weights: the shipped ones, or the public ones where they were converted.

        Raises:
            MissingExtraError: they are not here; the message says how to get or to train them.
        """
        return self.checkpoints.require(self.preset)

    def load(self, checkpoint: Path | None) -> None:
        """Load a checkpoint, the preset's own for None.

        Raises:
            CheckpointError: damaged, another model's, or another preset's.
        """
        self._loaded = self._read(checkpoint or self.default_checkpoint())

    @classmethod
    def examine(cls, file: Path, preset: str | None, *, device: str) -> Examination:
        """Return what a weight file holds; see ``medbench.generators.base.Examines``."""
        from medbench_models.shared.examination import Model, examine

        return examine(Model(cls.info, cls.presets, cls.checkpoints, cls.blueprint(), device), file, preset)

    @staticmethod
    def blueprint() -> Blueprint:
        """Return what the model's weight files must hold."""
        raise NotImplementedError

    def sample_shape(self) -> tuple[int, int, int]:
        """Return the voxels (x, y, z) of a sample of the loaded weights.

        Raises:
            SpecError: none were loaded.
        """
        described: Any = self.networks
        shape: tuple[int, int, int] = described.description.shape
        return shape

    @property
    def networks(self) -> Loaded:
        """The networks that were loaded, with their description.

        Raises:
            SpecError: none were.
        """
        if self._loaded is None:
            raise SpecError(f"{self.info.name} has no weights yet: call load() first")
        return self._loaded

    def _read(self, path: Path) -> Loaded:
        """Read a checkpoint and make its networks ready to sample on the device."""
        raise NotImplementedError


class VqvaePlugin(Plugin[Config, Loaded]):
    """A generator on the latents of MONAI's VQ-VAE, which its loaded networks hold as ``vqvae``."""

    def reconstruct(self, volume: Volume) -> Volume:
        """Return the volume after the VQ-VAE, on its own grid."""
        from medbench_models.shared.volumes import reconstruct

        loaded: Any = self.networks
        described = loaded.description
        return reconstruct(loaded.vqvae, volume, window=described.network.window, flipped=described.flipped)


def by_seed(request: SampleRequest) -> Iterator[tuple[int, LabelMap | None]]:
    """Yield each seed of a request with the label map that steers its sample, if any."""
    conditions = request.conditions if request.conditions is not None else [None] * len(request.seeds)
    yield from zip(request.seeds, conditions, strict=True)
