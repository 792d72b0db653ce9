"""Volumes as a VQ-VAE's codes: encoded once, kept as numbers on disk, looked up as latents to train on, and sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medbench.errors import CheckpointError
from medbench.progress import Progress
from medbench.spec import Window
from medbench.training.chance import Samples
from medbench_models.shared.arrays import cached, scaled, sha256_of_array, sha256_of_state
from medbench_models.shared.conditions import one_hot
from medbench_models.shared.config import SamplingConfig
from medbench_models.shared.samplers import SAMPLERS, Predict, times_for
from medbench_models.shared.schedules import Schedule
from medbench_models.shared.vqvae import Vqvae, encode


@torch.no_grad()
def encode_volumes(vqvae: Vqvae, volumes: np.ndarray, path: Path, *, window: Window, progress: Progress) -> np.ndarray:
    """Return the code numbers of volumes (n, x / factor, y / factor, z / factor) uint16; see ``arrays.cached``.

    One volume at a time, in float32, in as many slabs as the device's memory demands. Two bytes a latent position: 2 MB
    a volume of 512x512x256 at compression 4, where the latent itself takes 34 MB.

    Args:
        vqvae: trained.
        volumes: (n, x, y, z) HU; sizes that the compression divides.
        path: the ``.npy`` file.
        window: of the VQ-VAE.
        progress: reports the volumes.
    """
    vqvae.eval()
    tracked = progress.track(volumes, task="encode", total=len(volumes))
    latents = (encode(vqvae, scaled(volume[None], window)) for volume in tracked)
    numbers = (vqvae.codebook(latent)[2][0].cpu().numpy().astype(np.uint16) for latent in latents)
    of = f"{sha256_of_array(volumes)} by {sha256_of_state(vqvae.state_dict())}"
    return cached(path, numbers, count=len(volumes), of=of, progress=progress)


def scale_factor(indices: np.ndarray, codes: torch.Tensor) -> float:
    """Return 1 / standard deviation over all numbers of all latents.

    Args:
        indices: code numbers of the training volumes.
        codes: (codes, dim).

    Raises:
        CheckpointError: the latents do not vary.
    """
    counts = sum(np.bincount(volume.reshape(-1), minlength=len(codes)) for volume in indices)
    weights = torch.from_numpy(np.asarray(counts)).double()[:, None].expand(codes.shape)
    total, values = float(weights.sum()), codes.double()
    mean = (weights * values).sum() / total
    variance = float((weights * (values - mean).square()).sum() / (total - 1.0))
    if not variance > 0.0:
        raise CheckpointError("stage 1 encodes every volume alike: train it longer or anew with --no-resume")
    return variance**-0.5


@torch.no_grad()
def sample_codes(
    vqvae: Vqvae,
    predict: Predict,
    schedule: Schedule,
    config: SamplingConfig,
    *,
    shape: Sequence[int],
    scale_factor: float,
    seed: int,
) -> torch.Tensor:
    """Return the codes (1, dim, x / factor, ...) that a denoiser makes of a seed.

    The latent is quantised once more, as the decoder has only ever seen codes.

    Args:
        vqvae: in evaluation mode, on the device.
        predict: the denoiser.
        schedule: that it was trained with.
        config: sampler and steps.
        shape: voxels (x, y, z).
        scale_factor: latents were multiplied by it before diffusion.
        seed: all the chance there is; the noise is drawn on the CPU, so that it is the same on every device.
    """
    chance = torch.Generator("cpu").manual_seed(seed)
    latent_shape = [size // vqvae.config.factor for size in shape]
    noise = torch.randn(1, vqvae.config.codebook_dim, *latent_shape, generator=chance)
    times = times_for(config.sampler, schedule, config.steps)
    device = next(vqvae.parameters()).device
    latent = SAMPLERS[config.sampler](schedule, predict, noise.to(device), times, chance)
    quantised, _ = vqvae.quantize(latent / scale_factor)
    return quantised


@dataclass(frozen=True, eq=False)
class Latents:
    """Training examples of a denoiser: latents of volumes, and label maps where these steer it.

    Args:
        indices: (n, x, y, z) unsigned integers, the numbers of their codes.
        codes: (codes, dim) float32, scaled.
        labels: (n, factor x, factor y, factor z) uint8, 0 for none of the regions, i + 1 for region i; None without.
        regions: how many regions there are.
        dropout: chance with which a region's channel is empty in a whole batch, of all processes and passes.
    """

    indices: np.ndarray
    codes: torch.Tensor
    labels: np.ndarray | None = None
    regions: int = 0
    dropout: float = 0.0

    def __len__(self) -> int:
        return len(self.indices)

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some scaled latents (n, dim, x, y, z), which leave nothing to chance."""
        del chance
        return self.codes[torch.from_numpy(self.indices[rows.numpy()].astype(np.int64))].movedim(-1, 1)

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return the label maps (n, ...) uint8 of some examples, without the regions that are empty by chance.

        Nothing where there are no label maps.
        """
        if self.labels is None:
            return ()
        kept = torch.rand(self.regions, generator=chance.common) >= self.dropout
        table = np.concatenate([[False], kept.numpy()]) * np.arange(1 + self.regions, dtype=np.uint8)
        return (torch.from_numpy(table[self.labels[rows.numpy()]]),)

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the masks (n, regions, ...) of label maps."""
        return tuple(one_hot(numbers, self.regions) for numbers in conditions)
