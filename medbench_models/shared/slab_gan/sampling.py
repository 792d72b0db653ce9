"""Volumes in HU from a loaded checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench_models.shared.slab_gan.checkpoint import Loaded
from medbench_models.shared.slab_gan.task import as_images


@torch.no_grad()
def sample(loaded: Loaded, seed: int, *, device: str) -> Volume:
    """Return the sample of a seed, whole, on the grid that the generator was trained on.

    Args:
        loaded: a checkpoint.
        seed: all the chance there is; the noise is drawn on the CPU, so that it is the same on every device.
        device: torch device.
    """
    description, generator = loaded.description, loaded.generator
    chance = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(1, description.network.latent, generator=chance)
    image = generator(noise.to(device, generator.fc1.weight.dtype))
    hu = description.network.window.unscale(as_images(image)[0, 0].float()).cpu().numpy()
    voxels = np.ascontiguousarray(np.flip(np.rint(hu).astype(np.int16), description.flipped))
    return Volume(voxels, np.array(description.affine))
