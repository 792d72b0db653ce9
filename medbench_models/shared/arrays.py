"""Training data on disk: the volumes or label maps of a split, read once into an array that is mapped into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from medbench.datasets.base import Case
from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import LabelMap
from medbench.progress import Progress, silent
from medbench.spec import Window, fingerprint
from medbench.storage.files import sha256_once
from medbench.storage.seals import is_sound, sealed_path, sealed_sha256
from medbench_models.shared.conditions import region_numbers


def cached(
    path: Path, rows: Iterable[np.ndarray], *, count: int, of: str = "", progress: Progress = silent
) -> np.ndarray:
    """Return an array on disk, mapped into memory; it is made of ``rows`` where there is no sound file of it yet.

    Args:
        path: the ``.npy`` file.
        rows: ``count`` arrays of one shape and type.
        count: how many rows there are.
        of: what the rows are made of: hashes of the data and of the weights that decide them.
        progress: told where the file that lies there is another or damaged.

    Raises:
        StorageError: the disk is full.
    """
    key = f"{path.stem}: {count} of {of}"
    if not is_sound(path, key, progress):
        # Written row by row, not through a memory map: on a full disk a map kills the process.
        with sealed_path(path, key) as temporary, temporary.open("wb") as handle:
            for index, row in enumerate(rows):
                if index == 0:
                    header = {"descr": row.dtype.str, "fortran_order": False, "shape": (count, *row.shape)}
                    np.lib.format.write_array_header_1_0(handle, header)
                handle.write(row.tobytes())
            handle.flush()
    stored: np.ndarray = np.load(path, mmap_mode="r")
    return stored


def sha256_of_array(array: np.ndarray) -> str:
    """Return a SHA-256 of an array's content; of one that is mapped from a file, that of the file, read once."""
    if isinstance(array, np.memmap) and array.filename is not None:
        return sha256_once(Path(array.filename))
    head = f"{array.dtype.str} {array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def sha256_of_state(state: Mapping[str, torch.Tensor]) -> str:
    """Return a SHA-256 of a network's state."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def of_cases(cases: Sequence[Case], identity: str) -> str:
    """Return what an array of cases is made of, for ``cached``.

    Args:
        cases: of a data set.
        identity: the data set's and the grid's fingerprint, see ``FitRequest``.
    """
    return fingerprint([identity, [case.id for case in cases]])


def cache_volumes(
    cases: Sequence[Case],
    path: Path,
    progress: Progress,
    *,
    smallest: tuple[int, int, int] = (1, 1, 1),
    identity: str = "",
) -> np.ndarray:
    """Return all volumes (n, x, y, z) int16 HU; see ``cached``. Their spacings go into ``spacings_beside``.

    Args:
        cases: volumes of one shape; one at least.
        path: the ``.npy`` file.
        progress: reports the reading.
        smallest: voxels that a volume must have along each axis.
        identity: of the data set and grid, see ``FitRequest``.

    Raises:
        DataError: the shapes differ, or the volumes are smaller than a training crop.
    """
    spacings: list[tuple[float, float, float]] = []

    def rows() -> Iterator[np.ndarray]:
        first: tuple[int, ...] = ()
        for case in progress.track(cases, task="read volumes", total=len(cases)):
            volume = case.read_volume()
            first = first or volume.shape
            if any(size < least for size, least in zip(first, smallest)):
                raise DataError(f"case {case.id} has the shape {first}: this preset needs {smallest} voxels or more")
            if volume.shape != first:
                raise DataError(
                    f"case {case.id} has the shape {volume.shape}, the first case {first}: bring them to one grid "
                    "(a data set or --protocol with a canonical grid does)"
                )
            spacings.append(volume.spacing_mm)
            yield np.rint(volume.voxels).astype("<i2")

    beside = _spacings_path(path)
    if path.is_file() and not is_sound(beside, _spacings_key(path), progress):
        path.unlink()  # it is read again together with the spacings
    volumes = cached(path, rows(), count=len(cases), of=of_cases(cases, identity), progress=progress)
    if spacings:
        with sealed_path(beside, _spacings_key(path)) as temporary, temporary.open("wb") as handle:
            np.save(handle, np.array(spacings))
            handle.flush()
    return volumes


def spacings_beside(path: Path) -> np.ndarray:
    """Return the spacings (n, 3) float64, mm along x, y, z, of the volumes that ``cache_volumes`` has kept at a path.

    Raises:
        CheckpointError: an earlier version has kept them, without spacings, or these were altered meanwhile.
    """
    if not path.is_file() or sealed_sha256(_spacings_path(path), _spacings_key(path)) is None:
        raise CheckpointError(f"{path} was left by another version, without spacings: begin anew with --no-resume")
    spacings: np.ndarray = np.load(_spacings_path(path))
    return spacings


def _spacings_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}-spacings.npy")


def _spacings_key(volumes: Path) -> str:
    return f"spacings of the volumes {sha256_once(volumes)}"


def cache_labels(
    cases: Sequence[Case], path: Path, regions: Sequence[str], progress: Progress, *, identity: str = ""
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return all label maps (n, x, y, z) uint8 as region numbers, and the names of the other regions in them.

    Args:
        cases: with label maps on their volumes' grids.
        path: the ``.npy`` file; see ``cached``.
        regions: the regions that the network is given; see ``conditions.region_numbers``.
        progress: reports the reading.
        identity: as for ``cache_volumes``.

    Raises:
        DataError: a label map without any of the regions.
    """
    ignored = tuple(name for name in _label_map(cases[0]).names.values() if name not in regions)
    tracked = progress.track(cases, task="read label maps", total=len(cases))
    numbers = (region_numbers(_label_map(case), regions, ignored=ignored) for case in tracked)
    of = f"{of_cases(cases, identity)}, regions {fingerprint(list(regions))}"
    return cached(path, numbers, count=len(cases), of=of, progress=progress), ignored


def _label_map(case: Case) -> LabelMap:
    assert case.read_label_map is not None  # the caller asked
    return case.read_label_map()


def require_cases(**splits: Sequence[Case]) -> None:
    """Check that there are cases to learn from and others to choose the weights by.

    Raises:
        DataError: a split has none.
    """
    missing = [name for name, cases in splits.items() if not cases]
    if missing:
        raise DataError(
            f"no cases in the split {' and '.join(missing)}: a training needs cases to learn from (train) and others to"
            " choose the weights by (select); a folder's splits.json or splits.csv names them"
        )


def require_divisible(shape: Sequence[int], multiple: int) -> None:
    """Check that networks can halve every axis as often as they do.

    Raises:
        DataError: they cannot; the message names the multiple that is needed, and the nearest shape of that kind.
    """
    require_multiples(shape, [multiple] * len(shape))


def require_multiples(shape: Sequence[int], multiples: Sequence[int]) -> None:
    """Check that each axis is a multiple of its number.

    Raises:
        DataError: one is not; the message names the multiples that are needed, and the nearest shape of that kind.
    """
    if any(size % multiple for size, multiple in zip(shape, multiples)):
        nearest = [max(1, round(size / multiple)) * multiple for size, multiple in zip(shape, multiples)]
        size, other = ("x".join(map(str, one)) for one in (shape, nearest))
        same = len(set(multiples)) == 1
        wanted = (
            f"every axis must be a multiple of {multiples[0]}"
            if same
            else f"the axes must be multiples of {', '.join(map(str, multiples))}"
        )
        raise DataError(f"volumes of {size} voxels do not fit: {wanted}, and {other} is nearest")


def scaled(volumes: np.ndarray, window: Window) -> torch.Tensor:
    """Return volumes (n, x, y, z) in HU as a batch (n, 1, x, y, z) in -1..1."""
    return window.scale(torch.from_numpy(np.asarray(volumes, dtype=np.float32)))[:, None]
