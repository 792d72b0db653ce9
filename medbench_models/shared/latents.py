"""Volumes as a KL autoencoder's latents: encoded once, kept as mean and deviation on disk, and drawn anew each time.

Latents that are drawn once and kept have their noise baked in: a network then learns it, and cannot get below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medbench.errors import CheckpointError
from medbench.progress import Progress
from medbench.spec import Window
from medbench.training.chance import Samples
from medbench_models.shared.arrays import cached, scaled, sha256_of_array
from medbench_models.shared.klgan import as_positive

# Takes an image (1, 1, x, y, z) in 0..1, on any device; returns mean and deviation of its latent, each (1, c, ...).
Encode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@torch.no_grad()
def encode_moments(
    encode: Encode, volumes: np.ndarray, path: Path, *, window: Window, progress: Progress, weights: str = ""
) -> np.ndarray:
    """Return the moments (n, 2, c, x / factor, ...) float16 of volumes, mean and deviation; see ``arrays.cached``.

    Args:
        encode: passes one whole volume through the encoder.
        volumes: (n, x, y, z) HU; sizes that the compression divides.
        path: the ``.npy`` file.
        window: of the autoencoder.
        progress: reports the volumes.
        weights: SHA-256 of the autoencoder's state, see ``arrays.sha256_of_state``: moments of others are not used.
    """

    def rows() -> Iterator[np.ndarray]:
        for volume in progress.track(volumes, task="encode", total=len(volumes)):
            moments = torch.cat(encode(as_positive(scaled(volume[None], window))))
            yield moments.cpu().numpy().astype("<f2")

    of = f"{sha256_of_array(volumes)} by {weights}"
    return cached(path, rows(), count=len(volumes), of=of, progress=progress)


def scale_factor(moments: np.ndarray) -> float:
    """Return 1 / standard deviation over all numbers of all latents, as they are drawn.

    Args:
        moments: of the training volumes.

    Raises:
        CheckpointError: the latents do not vary.
    """
    means, squares = [], []
    for mean, deviation in moments:
        means.append(mean.mean(dtype=np.float64))
        squares.append(np.square(mean, dtype=np.float64).mean() + np.square(deviation, dtype=np.float64).mean())
    variance = float(np.mean(squares) - np.square(np.mean(means)))
    if not variance > 0.0:
        raise CheckpointError("the autoencoder encodes every volume alike: train it longer or anew with --no-resume")
    return variance**-0.5


@dataclass(frozen=True, eq=False)
class Latents:
    """Latents of volumes, to train a denoiser on.

    Args:
        moments: (n, 2, c, x, y, z), see ``encode_moments``.
        factor: what they are multiplied by.
    """

    moments: np.ndarray
    factor: float

    def __len__(self) -> int:
        return len(self.moments)

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some scaled latents (n, c, x, y, z) float32, drawn anew."""
        mean, deviation = torch.from_numpy(self.moments[rows.numpy()].astype(np.float32)).unbind(dim=1)
        return self.factor * (mean + deviation * chance.normal(*mean.shape[1:]))
