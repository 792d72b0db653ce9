"""A volume as a feature network sees it: on the network's own grid and in its own window, where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medbench.features.base import ExtractorInfo
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.spec import Grid, Window

if TYPE_CHECKING:
    import torch


def as_seen(volume: Volume, info: ExtractorInfo, window: Window) -> np.ndarray:
    """Return the voxels (x, y, z) that a network of volumes is given: float32 in 0..1.

    Args:
        volume: in HU, on the protocol's grid.
        info: the network's declaration.
        window: the protocol's, for a network that has none of its own.
    """
    grid: Grid | None = getattr(info, "grid", None)  # a network of a user's own may declare less
    if grid is not None:
        volume = to_grid(volume, grid)
    window = getattr(info, "window", None) or window
    voxels = volume.voxels.astype(np.float32)
    voxels.clip(window.low, window.high, out=voxels)
    voxels -= np.float32(window.low)
    voxels /= np.float32(window.width)
    return voxels


def superior_posterior_left(volume: torch.Tensor) -> torch.Tensor:
    """Turn axes (n, c, x, y, z) to right, anterior, superior into (n, c, z, y, x) to superior, posterior, left.

    SimpleITK's arrays of most CT files run that way, and networks that were trained on these.
    """
    return volume.permute(0, 1, 4, 3, 2).flip(3, 4)
