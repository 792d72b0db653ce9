"""Volumes in HU out of a VQ-VAE: decoded codes, and volumes passed through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench_models.shared.arrays import scaled
from medbench_models.shared.precision import decoding_autocast
from medbench_models.shared.vqvae import Vqvae, decode, encode


@torch.no_grad()
def voxels_of(vqvae: Vqvae, quantised: torch.Tensor, *, window: Window, flipped: Sequence[int] = ()) -> np.ndarray:
    """Return the voxels (x, y, z), int16 HU, of a quantised latent.

    Args:
        vqvae: in evaluation mode; it decodes in as many slabs as its device's memory demands.
        quantised: (1, c, x / factor, ...) on its device.
        window: of the HU.
        flipped: axes along which its arrays run against RAS+.
    """
    with decoding_autocast(quantised.device):
        image = decode(vqvae, quantised)
    hu = np.rint(window.unscale(image[0, 0].float()).cpu().numpy()).astype(np.int16)
    return np.ascontiguousarray(np.flip(hu, flipped))


@torch.no_grad()
def reconstruct(vqvae: Vqvae, volume: Volume, *, window: Window, flipped: Sequence[int] = ()) -> Volume:
    """Return a volume after the VQ-VAE, on its own grid; sizes the factor does not divide are padded with air.

    Args:
        vqvae: in evaluation mode.
        volume: in HU.
        window: of the HU.
        flipped: axes along which the VQ-VAE's arrays run against RAS+.
    """
    missing = [(0, -size % vqvae.config.factor) for size in volume.shape]
    padded = np.pad(volume.voxels, missing, constant_values=int(window.low))
    seen = np.ascontiguousarray(np.flip(padded, flipped))
    quantised, _ = vqvae.quantize(encode(vqvae, scaled(seen[None], window)))
    voxels = voxels_of(vqvae, quantised, window=window, flipped=flipped)
    x, y, z = volume.shape
    return Volume(np.ascontiguousarray(voxels[:x, :y, :z]), volume.affine)
