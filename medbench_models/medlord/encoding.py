"""Volumes encoded once: the numbers of their codes on disk, and the factor that scales the codes to the noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from monai.networks.nets import VQVAE

from medbench.errors import CheckpointError
from medbench.progress import Progress
from medbench.spec import Window
from medbench.storage.files import atomic_path
from medbench_models.medlord import decoding
from medbench_models.medlord.data import scaled
from medbench_models.medlord.decoding import layout_of, memory_for_activations, slabs_needed
from medbench_models.medlord.networks import codebook_of


@torch.no_grad()
def encode(vqvae: VQVAE, volumes: np.ndarray, path: Path, *, window: Window, progress: Progress) -> np.ndarray:
    """Return the code numbers of volumes, from the file where it exists; else they are computed and kept there.

    One volume at a time, in float32, in as many slabs as the device's memory demands. Two bytes a latent position: 2 MB
    a volume of 512x512x256 at compression 4, where the latent itself takes 34 MB.

    Args:
        vqvae: trained.
        volumes: (n, x, y, z) HU; sizes that the compression divides.
        path: the ``.npy`` file.
        window: of the VQ-VAE.
        progress: reports the volumes.

    Returns:
        (n, x / factor, y / factor, z / factor) uint16, mapped into memory.

    Raises:
        CheckpointError: the file that exists holds another number of volumes.
        StorageError: the disk is full.
    """
    if not path.exists():
        vqvae.eval()
        quantiser = codebook_of(vqvae)
        limit = memory_for_activations(next(vqvae.parameters()).device)
        count = slabs_needed(layout_of(vqvae), volumes.shape[1:], itemsize=4, limit_bytes=limit)
        latents = (
            decoding.encode(vqvae, scaled(volume[None], window), count=count)
            for volume in progress.track(volumes, task="encode", total=len(volumes))
        )
        found = [quantiser(latent)[2].cpu().numpy().astype(np.uint16) for latent in latents]
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.save(handle, np.concatenate(found))
    indices: np.ndarray = np.load(path, mmap_mode="r")
    if len(indices) != len(volumes):
        raise CheckpointError(f"{path} holds {len(indices)} volumes, not {len(volumes)}: begin anew with --no-resume")
    return indices


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
