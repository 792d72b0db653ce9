from __future__ import annotations

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench_models.shared.volumes import hu_of, reconstructed


def test_hu_are_rounded_and_clipped() -> None:
    image = torch.tensor([-1.5, -0.9996, 0.0, 1.0]).view(1, 1, 4, 1, 1)
    assert hu_of(image, window=Window()).reshape(-1).tolist() == [-1000, -1000, 0, 1000]


def test_a_volume_keeps_its_grid_and_its_sides() -> None:
    voxels = np.arange(5 * 6 * 3, dtype=np.int16).reshape(5, 6, 3)
    volume, seen = Volume(voxels, np.diag([1.0, 2.0, 3.0, 1.0])), []

    def through(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image

    found = reconstructed(through, volume, factor=4, window=Window(), flipped=(1,))
    assert seen[0].shape == (1, 1, 8, 8, 4)
    assert float(seen[0][0, 0, 0, 7, 0]) == float(Window().scale(voxels[0, 0, 0]))
    assert np.array_equal(found.voxels, voxels)
    assert np.array_equal(found.affine, volume.affine)
