"""Label maps as a network that they steer sees them: one mask channel a region."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch

from medbench.errors import DataError
from medbench.imaging.volume import UNNAMED, LabelMap


def region_numbers(label_map: LabelMap, regions: Sequence[str], *, ignored: Collection[str] = ()) -> np.ndarray:
    """Return a label map with the numbers of a model's regions.

    Args:
        label_map: with names.
        regions: the regions that the model knows.
        ignored: regions that it was not given in training though its data had them.

    Returns:
        (x, y, z) uint8, 0 for none of the regions, i + 1 for ``regions[i]``.

    Raises:
        DataError: a label that occurs has no name, is none of the regions, or none of the regions occurs.
    """
    present = np.flatnonzero(np.bincount(label_map.voxels.reshape(-1), minlength=256))
    table = np.zeros(256, dtype=np.uint8)
    for value in present[present > 0].tolist():
        name = label_map.names.get(value, f"{UNNAMED}{value}")
        if name in regions:
            table[value] = regions.index(name) + 1
        elif name not in ignored:
            raise DataError(
                f"a condition has the label {value} ({name}), which this model does not know: leave it out, or name it "
                f"as one of {', '.join(regions)}"
            )
    if not table.any():
        raise DataError(f"a condition has none of the model's regions: {', '.join(regions)}")
    return table[label_map.voxels]


def one_hot(numbers: torch.Tensor, regions: int) -> torch.Tensor:
    """Return masks (n, regions, x, y, z) float32, 0 or 1, of region numbers (n, x, y, z)."""
    wanted = torch.arange(1, regions + 1, dtype=numbers.dtype, device=numbers.device).view(1, -1, 1, 1, 1)
    return (numbers[:, None] == wanted).float()
