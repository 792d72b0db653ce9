"""Volumes in HU out of an autoencoder: decoded latents, and volumes passed through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench_models.shared.arrays import scaled
from medbench_models.shared.precision import decoding_autocast
from medbench_models.shared.vqvae import Vqvae, decode, encode


def hu_of(image: torch.Tensor, *, window: Window, flipped: Sequence[int] = ()) -> np.ndarray:
    """Return the voxels (x, y, z), int16 HU, of an image (1, 1, x, y, z); what lies outside -1..1 is clipped.

    Args:
        image: in -1..1.
        window: of the HU.
        flipped: axes along which its arrays run against RAS+.
    """
    hu = np.rint(window.unscale(image[0, 0].float()).cpu().numpy()).astype(np.int16)
    return np.ascontiguousarray(np.flip(hu, flipped))


@torch.no_grad()
def reconstructed(
    through: Callable[[torch.Tensor], torch.Tensor],
    volume: Volume,
    *,
    factor: int,
    window: Window,
    flipped: Sequence[int] = (),
) -> Volume:
    """Return a volume after an autoencoder, on its own grid; sizes the factor does not divide are padded with air.

    Args:
        through: passes an image (1, 1, x, y, z) in -1..1 through the autoencoder.
        volume: in HU.
        factor: of the autoencoder's compression along each axis.
        window: of the HU.
        flipped: axes along which the autoencoder's arrays run against RAS+.
    """
    missing = [(0, -size % factor) for size in volume.shape]
    padded = np.pad(volume.voxels, missing, constant_values=int(window.low))
    seen = np.ascontiguousarray(np.flip(padded, flipped))
    voxels = hu_of(through(scaled(seen[None], window)), window=window, flipped=flipped)
    x, y, z = volume.shape
    return Volume(np.ascontiguousarray(voxels[:x, :y, :z]), volume.affine)


@torch.no_grad()
def voxels_of(vqvae: Vqvae, quantised: torch.Tensor, *, window: Window, flipped: Sequence[int] = ()) -> np.ndarray:
    """Return the voxels of a quantised latent; see ``hu_of``.

    Args:
        vqvae: in evaluation mode; it decodes in as many slabs as its device's memory demands.
        quantised: (1, c, x / factor, ...) on its device.
        window: of the HU.
        flipped: axes along which its arrays run against RAS+.
    """
    return hu_of(_decoded(vqvae, quantised), window=window, flipped=flipped)


def reconstruct(vqvae: Vqvae, volume: Volume, *, window: Window, flipped: Sequence[int] = ()) -> Volume:
    """Return a volume after the VQ-VAE; see ``reconstructed``."""

    def through(image: torch.Tensor) -> torch.Tensor:
        return _decoded(vqvae, vqvae.quantize(encode(vqvae, image))[0])

    return reconstructed(through, volume, factor=vqvae.config.factor, window=window, flipped=flipped)


def _decoded(vqvae: Vqvae, quantised: torch.Tensor) -> torch.Tensor:
    with decoding_autocast(quantised.device):
        return decode(vqvae, quantised)
