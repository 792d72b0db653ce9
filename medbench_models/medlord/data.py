"""Training data of MedLoRD: volumes in one array on disk, and random crops of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from medbench.dataset import Case
from medbench.errors import CheckpointError, DataError
from medbench.files import atomic_path
from medbench.progress import Progress
from medbench.spec import Window


def cache_volumes(
    cases: Sequence[Case], path: Path, progress: Progress, *, smallest: tuple[int, int, int] = (1, 1, 1)
) -> np.ndarray:
    """Read every case once into one int16 array on disk and return it, mapped into memory.

    Args:
        cases: volumes of one shape.
        smallest: voxels that a volume must have along each axis.
        path: the ``.npy`` file; used as it is where it exists.
        progress: reports the reading.

    Returns:
        (n, x, y, z) int16 HU.

    Raises:
        DataError: there are no cases, the shapes differ, or the volumes are smaller than a training crop.
        StorageError: the disk is full.
        CheckpointError: the file that exists holds something else.
    """
    if not cases:
        raise DataError("medlord cannot train without cases: the split is empty")
    if not path.exists():
        with atomic_path(path) as temporary:
            _write_volumes(cases, temporary, progress, smallest)
    volumes: np.ndarray = np.load(path, mmap_mode="r")
    if len(volumes) != len(cases):
        raise CheckpointError(f"{path} holds {len(volumes)} volumes, not {len(cases)}: begin anew with --no-resume")
    return volumes


def _write_volumes(cases: Sequence[Case], path: Path, progress: Progress, smallest: tuple[int, int, int]) -> None:
    shape = cases[0].read_volume().shape
    if any(size < least for size, least in zip(shape, smallest)):
        raise DataError(f"case {cases[0].id} has the shape {shape}: this preset needs {smallest} voxels or more")
    # Written row by row, not through a memory map: on a full disk a map kills the process.
    with path.open("wb") as handle:
        header = {"descr": "<i2", "fortran_order": False, "shape": (len(cases), *shape)}
        np.lib.format.write_array_header_1_0(handle, header)
        for case in progress.track(cases, task="read volumes", total=len(cases)):
            volume = case.read_volume()
            if volume.shape != shape:
                raise DataError(
                    f"case {case.id} has the shape {volume.shape}, the first case {shape}: bring them to one grid "
                    "(a data set or --protocol with a canonical grid does)"
                )
            handle.write(np.rint(volume.voxels).astype("<i2").tobytes())


def scaled(volumes: np.ndarray, window: Window) -> torch.Tensor:
    """Return volumes (n, x, y, z) in HU as a batch (n, 1, x, y, z) in -1..1."""
    return window.scale(torch.from_numpy(np.asarray(volumes, dtype=np.float32)))[:, None]


def random_crops(
    volumes: np.ndarray, *, batch: int, crop: tuple[int, int, int], align: int, chance: torch.Generator
) -> np.ndarray:
    """Return crops of random volumes, drawn towards the centre, where the anatomy is.

    Args:
        volumes: (n, x, y, z).
        batch: number of crops.
        crop: voxels along each axis; at most the volumes'.
        align: crops start at multiples of this, so that latent positions stay where whole volumes have them.
        chance: the source of chance.

    Returns:
        (batch, *crop).
    """
    crops = np.empty((batch, *crop), dtype=volumes.dtype)
    for row in crops:
        chosen = int(torch.randint(len(volumes), (), generator=chance))
        where = tuple(
            slice(start, start + size)
            for size, start in (
                (size, _start(length - size, align, chance)) for length, size in zip(volumes.shape[1:], crop)
            )
        )
        row[:] = volumes[chosen][where]
    return crops


def _start(room: int, align: int, chance: torch.Generator) -> int:
    share = float(torch.rand(2, generator=chance).mean())  # triangular about the middle
    return round(share * (room // align)) * align
