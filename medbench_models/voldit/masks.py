"""Label maps as the adapter sees them: numbers, and several masks side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medbench.training.chance import Samples
from medbench_models.shared.codes import Latents


def numbered(numbers: torch.Tensor, masks: Sequence[Sequence[str]]) -> torch.Tensor:
    """Return masks (n, masks, x, y, z) float32 of region numbers; each has its own regions as 1, 2, ..

    Args:
        numbers: (n, x, y, z), 0 for none of the regions, i + 1 for region i of all masks' in a row.
        masks: regions of each.

    >>> numbered(torch.tensor([[[[0, 1, 2, 3]]]]), (("left", "right"), ("heart",)))[0, :, 0, 0]
    tensor([[0., 1., 2., 0.],
            [0., 0., 0., 1.]])
    """
    tables = torch.zeros(len(masks), 1 + sum(map(len, masks)))
    first = 1
    for table, regions in zip(tables, masks):
        table[first : first + len(regions)] = torch.arange(1.0, len(regions) + 1.0)
        first += len(regions)
    return tables.to(numbers.device)[:, numbers.int()].movedim(0, 1)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Latents with the label maps that steer them.

    Args:
        latents: of the volumes.
        labels: (n, x, y, z) uint8, numbers of regions, see ``numbered``.
        masks: regions of each mask.
        dropout: chance with which a mask, and once more all masks of an example, are empty.
    """

    latents: Latents
    labels: np.ndarray
    masks: Sequence[Sequence[str]]
    dropout: float = 0.0

    def __len__(self) -> int:
        return len(self.latents)

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some scaled latents (n, c, x, y, z)."""
        return self.latents.clean(rows, chance)

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return the label maps (n, x, y, z) uint8 of some examples, and which masks (n, masks) are not empty."""
        draws = chance.uniform(1 + len(self.masks))
        kept = (draws[:, :1] >= self.dropout) & (draws[:, 1:] >= self.dropout)
        return torch.from_numpy(self.labels[rows.numpy()]), kept

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the masks (n, masks, x, y, z) of label maps."""
        numbers, kept = conditions
        return (numbered(numbers, self.masks) * kept[..., None, None, None],)
