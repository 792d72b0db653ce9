"""Volumes in HU from a loaded checkpoint: samples by seed, and reconstructions."""

from __future__ import annotations

import numpy as np
import torch

from medbench.spec import Window
from medbench.volume import Volume
from medbench_models.medlord.checkpoint import Loaded
from medbench_models.medlord.data import scaled
from medbench_models.medlord.schedule import CosineSchedule


@torch.no_grad()
def sample(networks: Loaded, seed: int, *, steps: int, device: str) -> Volume:
    """Return the sample of a seed.

    The latent is quantised once more before decoding, as the decoder has only ever seen codes.

    Args:
        networks: a loaded checkpoint.
        seed: all the chance there is; the noise is drawn on the CPU, so that it is the same on every device.
        steps: DDIM steps.
        device: torch device.
    """
    description = networks.description
    network = description.network
    latent_shape = [size // network.vqvae.factor for size in description.shape]
    chance = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(1, network.vqvae.codebook_dim, *latent_shape, generator=chance).to(device)
    latent = CosineSchedule(network.unet.timesteps).ddim(networks.unet, noise, steps)
    image = networks.vqvae.decode_stage_2_outputs(latent / description.scale_factor)
    return Volume(_to_hu(image, network.window), np.array(description.affine))


@torch.no_grad()
def reconstruct(networks: Loaded, volume: Volume, *, device: str) -> Volume:
    """Return a volume after the VQ-VAE, on its own grid; sizes the factor does not divide are padded with air."""
    network = networks.description.network
    missing = [(0, -size % network.vqvae.factor) for size in volume.shape]
    padded = np.pad(volume.voxels, missing, constant_values=int(network.window.low))
    image, _ = networks.vqvae(scaled(padded[None], network.window).to(device))
    x, y, z = volume.shape
    return Volume(_to_hu(image, network.window)[:x, :y, :z], volume.affine)


def _to_hu(image: torch.Tensor, window: Window) -> np.ndarray:
    return np.rint(window.unscale(image[0, 0]).cpu().numpy()).astype(np.int16)
