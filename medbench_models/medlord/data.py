"""Training data of MedLoRD: volumes in one array on disk, random crops of it, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from medbench.datasets.base import Case
from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import LabelMap
from medbench.progress import Progress
from medbench.spec import Window
from medbench.storage.files import atomic_path
from medbench_models.medlord.config import NetworkConfig
from medbench_models.shared.conditions import region_numbers


def cache_volumes(
    cases: Sequence[Case], path: Path, progress: Progress, *, smallest: tuple[int, int, int] = (1, 1, 1)
) -> np.ndarray:
    """Read every case once into one int16 array on disk and return it, mapped into memory.

    Args:
        cases: volumes of one shape; one at least.
        smallest: voxels that a volume must have along each axis.
        path: the ``.npy`` file; used as it is where it exists.
        progress: reports the reading.

    Returns:
        (n, x, y, z) int16 HU.

    Raises:
        DataError: the shapes differ, or the volumes are smaller than a training crop.
        StorageError: the disk is full.
        CheckpointError: the file that exists holds something else.
    """
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


def cache_labels(
    cases: Sequence[Case], path: Path, regions: Sequence[str], progress: Progress
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read every case's label map once into one array of region numbers on disk.

    Args:
        cases: with label maps on their volumes' grids.
        path: the ``.npy`` file; used as it is where it exists.
        regions: the regions that the ControlNet is given.
        progress: reports the reading.

    Returns:
        (n, x, y, z) uint8 as ``conditions.region_numbers`` gives them, mapped into memory; and the names of the other
        regions in the label maps.

    Raises:
        DataError: a label map without any of the regions.
        StorageError: the disk is full.
    """
    first = _label_map(cases[0])
    ignored = tuple(name for name in first.names.values() if name not in regions)
    if not path.exists():
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(cases), *first.shape)}
            np.lib.format.write_array_header_1_0(handle, header)
            for case in progress.track(cases, task="read label maps", total=len(cases)):
                handle.write(region_numbers(_label_map(case), regions, ignored=ignored).tobytes())
    return np.load(path, mmap_mode="r"), ignored


def _label_map(case: Case) -> LabelMap:
    assert case.read_label_map is not None  # the caller asked
    return case.read_label_map()


def require_divisible(shape: Sequence[int], network: NetworkConfig) -> None:
    """Check that the VQ-VAE and the U-Net can halve every axis as often as they do.

    Raises:
        DataError: they cannot; the message names the multiple that is needed.
    """
    multiple = network.vqvae.factor * 2 ** (len(network.unet.channels) - 1)
    if any(size % multiple for size in shape):
        size = "x".join(map(str, shape))
        raise DataError(f"volumes of {size} voxels do not fit: every axis must be a multiple of {multiple}")


def scaled(volumes: np.ndarray, window: Window) -> torch.Tensor:
    """Return volumes (n, x, y, z) in HU as a batch (n, 1, x, y, z) in -1..1."""
    return window.scale(torch.from_numpy(np.asarray(volumes, dtype=np.float32)))[:, None]


@dataclass(frozen=True)
class Crops:
    """How crops are drawn.

    Args:
        shape: voxels along each axis; at most the volumes'.
        align: crops start at multiples of this, so that latent positions stay where whole volumes have them.
        centred: draw them towards the middle, where the anatomy is, instead of evenly.
    """

    shape: tuple[int, int, int]
    align: int
    centred: bool


def random_crops(volumes: np.ndarray, crops: Crops, *, batch: int, chance: torch.Generator) -> np.ndarray:
    """Return crops of random volumes.

    Args:
        volumes: (n, x, y, z).
        crops: how they are drawn.
        batch: number of crops.
        chance: the source of chance.

    Returns:
        (batch, *crop).
    """
    drawn = np.empty((batch, *crops.shape), dtype=volumes.dtype)
    for row in drawn:
        chosen = int(torch.randint(len(volumes), (), generator=chance))
        starts = [_start(length - size, crops, chance) for length, size in zip(volumes.shape[1:], crops.shape)]
        row[:] = volumes[chosen][tuple(slice(start, start + size) for start, size in zip(starts, crops.shape))]
    return drawn


def _start(room: int, crops: Crops, chance: torch.Generator) -> int:
    draws = 2 if crops.centred else 1  # the mean of two is triangular about the middle
    share = float(torch.rand(draws, generator=chance).mean())
    return round(share * (room // crops.align)) * crops.align


_ROTATION_CHANCE, _ROTATION = 0.2, 0.0872665  # radians, 5 degrees
_FLIP_CHANCE = 0.5


def augmented(images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Return images, each rotated a little about its axes and flipped along axis 1 by chance.

    Upstream turns whole volumes before it cuts them; here the crops are turned, with their border repeated.

    Args:
        images: (n, 1, x, y, z) in -1..1.
        chance: the source of chance.

    Source: Cardio-AI/medlord, commit ee9f359 (probabilities and angles).
    """
    turned = []
    for image in images.split(1):
        draws = torch.rand(5, generator=chance)
        made = _rotated(image, _ROTATION * (2.0 * draws[1:4] - 1.0)) if draws[0] < _ROTATION_CHANCE else image
        turned.append(made.flip(3) if draws[4] < _FLIP_CHANCE else made)
    return torch.cat(turned)


def _rotated(image: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    # torch's coordinates run from -1 to 1 along each axis, the last one first: in them a rotation of voxels is one of
    # axes with other units.
    sizes = torch.tensor([float(size) for size in reversed(image.shape[2:])])
    turned = _rotation(angles) * torch.cat([sizes, torch.ones(1)]) / sizes[:, None]
    grid = functional.affine_grid(turned[None], list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid.to(image), padding_mode="border", align_corners=False)


def _rotation(angles: torch.Tensor) -> torch.Tensor:
    turned = torch.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (other for other in range(3) if other != axis)
        plane = torch.eye(3)
        plane[a, a] = plane[b, b] = torch.cos(angle)
        plane[a, b], plane[b, a] = -torch.sin(angle), torch.sin(angle)
        turned = turned @ plane
    return torch.cat([turned, torch.zeros(3, 1)], dim=1)
