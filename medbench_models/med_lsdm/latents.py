"""Volumes as Med-LSDM's diffusion model sees them: latents that were not quantised, with their label maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medbench.errors import CheckpointError
from medbench.progress import Progress
from medbench.spec import Window
from medbench.training.chance import Samples
from medbench_models.med_lsdm import windows
from medbench_models.med_lsdm.vqgan import VqGan
from medbench_models.shared.arrays import cached, scaled, sha256_of_array, sha256_of_state


@torch.no_grad()
def encode_volumes(vqgan: VqGan, volumes: np.ndarray, path: Path, *, window: Window, progress: Progress) -> np.ndarray:
    """Return the scaled latents of volumes (n, c, z / 4, x / 4, y / 4) float16; see ``arrays.cached``.

    Args:
        vqgan: trained.
        volumes: (n, x, y, z) HU; sizes that 4 divides.
        path: the ``.npy`` file.
        window: of the HU.
        progress: reports the volumes.

    Raises:
        CheckpointError: all codes are alike.
    """
    vqgan.eval()
    codes = vqgan.codebook.embedding.weight
    if not bool(codes.max() > codes.min()):
        raise CheckpointError("stage 1 has learnt one code alone: train it longer or anew with --no-resume")

    def rows() -> Iterator[np.ndarray]:
        for volume in progress.track(volumes, task="encode", total=len(volumes)):
            latent = vqgan.scaled(windows.encode(vqgan, scaled(volume[None], window)))
            yield latent[0].cpu().numpy().astype(np.float16)

    of = f"{sha256_of_array(volumes)} by {sha256_of_state(vqgan.state_dict())}"
    return cached(path, rows(), count=len(volumes), of=of, progress=progress)


def share_outside(latents: np.ndarray) -> float:
    """Return the share of numbers beyond -1..1, where samples are cut off.

    >>> share_outside(np.array([[0.5, -1.5], [1.0, 2.0]]))
    0.5
    """
    return float(np.mean([np.mean(np.abs(latent) > 1.0) for latent in latents]))


@dataclass(frozen=True, eq=False)
class Latents:
    """Training examples of the diffusion model.

    Args:
        values: (n, c, z, x, y), scaled.
        labels: (n, 4 x, 4 y, 4 z) uint8, 0 for the background, i + 1 for region i.
        classes: channels of a one-hot map, with the background.
    """

    values: np.ndarray
    labels: np.ndarray
    classes: int

    def __len__(self) -> int:
        return len(self.values)

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some latents, which leave nothing to chance."""
        del chance
        return torch.from_numpy(self.values[rows.numpy()].astype(np.float32))

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return the label maps (n, 4 x, 4 y, 4 z) uint8 of some examples."""
        del chance
        return (torch.from_numpy(self.labels[rows.numpy()]),)

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the one-hot maps (n, classes, 4 z, 4 x, 4 y) of label maps."""
        return tuple(one_hot_map(numbers, self.classes) for numbers in conditions)


def one_hot_map(numbers: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the one-hot maps (n, classes, z, x, y) uint8 of region numbers (n, x, y, z), the background first.

    Channels lie together in memory, which a CPU's convolutions of few channels need to be quick.
    """
    wanted = torch.arange(classes, dtype=numbers.dtype, device=numbers.device)
    return (numbers.movedim(-1, 1)[..., None] == wanted).byte().movedim(-1, 1)
