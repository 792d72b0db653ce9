"""Small volumes and masks, written in the formats that data sets come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.imaging.volume import LabelMap, Volume

SHAPE = (6, 5, 4)
AFFINE = np.diag([0.7, 0.8, 2.5, 1.0])


@pytest.fixture
def write_volume() -> Callable[..., Volume]:
    """Write a volume whose voxels fall to air from ``first``; SimpleITK writes what is not NIfTI."""

    def write(path: Path, first: int = 0) -> Volume:
        path.parent.mkdir(parents=True, exist_ok=True)
        volume = Volume((first - 9 * np.arange(np.prod(SHAPE))).reshape(SHAPE).astype(np.int16), AFFINE)
        if path.name.endswith((".nii", ".nii.gz")):
            volume.write(path)
        else:
            _write_itk(path, volume.voxels, AFFINE)
        return volume

    return write


@pytest.fixture
def write_mask() -> Callable[..., LabelMap]:
    """Write a mask of the labels 0 to 2 on the volumes' grid, shifted by ``shift_mm``."""

    def write(path: Path, shift_mm: float = 0.0) -> LabelMap:
        path.parent.mkdir(parents=True, exist_ok=True)
        affine = AFFINE.copy()
        affine[0, 3] += shift_mm
        label_map = LabelMap((np.arange(np.prod(SHAPE)) % 3).reshape(SHAPE).astype(np.uint8), affine)
        label_map.write(path)
        return label_map

    return write


@pytest.fixture
def write_itk() -> Callable[..., None]:
    """Write RAS+ voxels with SimpleITK; see ``_write_itk``."""
    return _write_itk


def _write_itk(
    path: Path, voxels: np.ndarray, affine: np.ndarray, *, flipped: bool = False, packed: bool = False
) -> None:
    """Write RAS+ voxels (x, y, z) with SimpleITK, axes as scanners store them (LPS).

    Args:
        path: .mhd (with .raw, or .zraw if packed), .mha or .nrrd.
        voxels: (x, y, z).
        affine: diagonal, RAS+ mm.
        flipped: store x and y the other way round, with the direction -1 -1 1 that says so.
        packed: compress.
    """
    import SimpleITK

    spacing = np.diag(affine)[:3]
    # In LPS an RAS+ array has the direction -1 -1 1; turned about, it has 1 1 1.
    stored = voxels if flipped else voxels[::-1, ::-1]
    corner = affine[:3, 3] if flipped else affine[:3, 3] + spacing * [voxels.shape[0] - 1, voxels.shape[1] - 1, 0]
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored.T))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((corner * [-1, -1, 1]).tolist())
    image.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1] if flipped else [1, 0, 0, 0, 1, 0, 0, 0, 1])
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path), packed)


Write = Callable[..., object]


@pytest.fixture
def root(tmp_path: Path, write_volume: Write) -> Path:
    """Three volumes in three formats."""
    write_volume(tmp_path / "a.nii.gz", 10)
    write_volume(tmp_path / "site.1" / "b.mhd", 20)
    write_volume(tmp_path / "site.1" / "c.nrrd", 30)
    return tmp_path
