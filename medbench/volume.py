"""A CT volume in Hounsfield units and a label map, both with RAS+ axes and an affine in mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medbench.errors import GeometryError


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume.

    Args:
        voxels: (x, y, z), int16 or float32, Hounsfield units; x grows to the Right, y to Anterior, z to Superior.
        affine: (4, 4) float64, voxel index to RAS+ millimetres.
    """

    voxels: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: np.eye(4))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        x, y, z = self.voxels.shape
        return (x, y, z)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x, y, z in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(x), float(y), float(z))
