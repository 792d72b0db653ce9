"""A generator of your own: principal components of the training volumes, mixed anew for each sample.

medbench run --model template_name.py:TemplateName --dataset phantom --train
medbench run --model template_name.py:TemplateName --dataset phantom --train --set components=8
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from medbench import (
    CheckpointError,
    DataError,
    FitRequest,
    GeneratorInfo,
    MissingExtraError,
    SampleRequest,
    Spec,
    Volume,
    atomic_path,
)


class Settings(Spec):
    """What a preset says, and a user changes by ``--set KEY=VALUE``.

    Args:
        components: directions in which the training volumes differ most.
        spread: how far samples go along them; 1: as far as the training volumes.
    """

    components: int = 4
    spread: float = 1.0


class TemplateName:
    """Mean of the training volumes plus a random mix of their principal components."""

    info: ClassVar[GeneratorInfo] = GeneratorInfo(
        name="template-name",
        version="1",  # raise it when the same checkpoint and seed would yield other voxels
        capabilities=("unconditional", "reconstructs"),
        presets=("plain",),
        native_shape=(64, 64, 32),
        license="of the code; and, where that is another one, of the weights",
        paper="where it was published",
    )
    presets: ClassVar[dict[str, Settings]] = {"plain": Settings()}

    def __init__(self, preset: str, *, device: str, config: Settings | None = None) -> None:
        self.preset = preset
        self.device = device
        self.config = config or self.presets[preset]

    def fit(self, request: FitRequest) -> Path:
        """Learn mean and components; return the checkpoint, which lies in the workspace."""
        from safetensors.numpy import save

        volumes = [case.read_volume() for case in request.progress.track(request.train, task="read volumes")]
        if len({volume.shape for volume in volumes}) != 1:
            raise DataError("the training volumes must share one shape: give a data set with a grid")
        rows = np.stack([volume.voxels.reshape(-1) for volume in volumes]).astype(np.float32)
        mean = rows.mean(axis=0)
        _, lengths, directions = np.linalg.svd(rows - mean, full_matrices=False)
        kept = min(self.config.components, len(volumes) - 1)
        found = {
            "mean": mean.reshape(volumes[0].shape),
            "components": directions[:kept].reshape(kept, *volumes[0].shape),
            "spreads": lengths[:kept] / np.sqrt(max(1, len(volumes) - 1)),
            "affine": np.asarray(volumes[0].affine, dtype=np.float64),
        }
        checkpoint = request.workspace / "template_name.safetensors"
        with atomic_path(checkpoint) as temporary:
            temporary.write_bytes(save({name: np.ascontiguousarray(value) for name, value in found.items()}))
        return checkpoint

    def default_checkpoint(self) -> Path | None:
        """Return weights that you ship; there are none."""
        raise MissingExtraError("template-name ships no weights: train it with --train, or give --checkpoint FILE")

    def load(self, checkpoint: Path | None) -> None:
        """Load a checkpoint; safetensors hold numbers alone, and never code."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        file = checkpoint or self.default_checkpoint()
        assert file is not None  # it would have been refused
        try:
            found = load(file.read_bytes())
            self.mean, self.components = found["mean"], found["components"]
            self.spreads, self.affine = found["spreads"], found["affine"]
        except (OSError, SafetensorError, KeyError) as error:
            raise CheckpointError(f"{file} is no checkpoint of template-name: train one with --train") from error

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one volume in HU a seed; a sample depends on its own seed alone."""
        for seed in request.seeds:
            weights = np.random.default_rng(seed).normal(0.0, self.config.spread, len(self.spreads))
            yield self._volume(weights * self.spreads)

    def reconstruct(self, volume: Volume) -> Volume:
        """Return what the components can say of a volume; delete this, and ``reconstructs``, where there is nothing."""
        rows = self.components.reshape(len(self.components), -1)
        return self._volume(rows @ (volume.voxels - self.mean).reshape(-1))

    def _volume(self, weights: np.ndarray) -> Volume:
        hu = self.mean + np.tensordot(weights, self.components, axes=1)
        return Volume(np.rint(hu).clip(-1024, 3071).astype(np.int16), self.affine)
