"""Large volumes averaged down before a 3D network sees them, so that its memory has a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def factors(shape: Sequence[int], *, most_voxels: int) -> tuple[int, ...]:
    """Return by which whole numbers to shrink each axis so that at most ``most_voxels`` are left.

    The axis that is longest after shrinking is halved (the first of equal ones) until the volume is small enough.

    >>> factors((512, 512, 256), most_voxels=2**22)
    (4, 4, 1)
    """
    chosen = [1] * len(shape)
    left = list(shape)
    while math.prod(left) > most_voxels:
        axis = left.index(max(left))
        chosen[axis] *= 2
        left[axis] = -(-shape[axis] // chosen[axis])
    return tuple(chosen)


def shrunk(volumes: torch.Tensor, *, most_voxels: int) -> torch.Tensor:
    """Return volumes (n, c, x, y, z) float32 averaged over blocks (see ``factors``).

    Incomplete blocks at the far ends average what they hold.
    """
    from torch.nn.functional import avg_pool3d

    block = factors(volumes.shape[2:], most_voxels=most_voxels)
    if math.prod(block) == 1:
        return volumes
    return avg_pool3d(volumes, block, ceil_mode=True, count_include_pad=False)
