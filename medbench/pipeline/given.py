"""What scripts have at hand, as the sources and names that everything else goes by.

Volumes in memory become files of a scratch folder: there is one way through the evaluation, and caches know content.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from medbench import registry
from medbench.errors import SpecError
from medbench.imaging.volume import Volume
from medbench.progress import Progress
from medbench.records.sources import TABLES, Files, Source, source_of, table_column

if TYPE_CHECKING:
    import torch

    from medbench.datasets.base import Dataset
    from medbench.metrics.base import Metric

Spacing = tuple[float, float, float]

Voxels: TypeAlias = "np.ndarray | torch.Tensor"
"""HU, (x, y, z), (n, x, y, z) or (n, 1, x, y, z)."""

Given: TypeAlias = "Path | str | tuple[Path | str, str] | Volume | Voxels | Iterable[Path | str | Volume | Voxels]"
"""A folder, a pattern, ``cases.csv:COLUMN`` or the pair of both; files one by one; volumes; arrays or tensors in HU."""


class HasDataset(Protocol):
    """What ``medbench.load_dataset`` returns."""

    @property
    def dataset(self) -> Dataset:
        """The data set itself."""


@contextmanager
def on_disk(sides: Mapping[str, Any], *, spacing: Spacing | None) -> Iterator[tuple[Path, dict[str, Source | None]]]:
    """Yield a scratch folder, and the source of each side that was given; what is in memory lies there meanwhile.

    Args:
        sides: what was given, by the name of the side; None stays None.
        spacing: see ``source``.
    """
    with tempfile.TemporaryDirectory(prefix="medbench-") as scratch:
        yield (
            Path(scratch),
            {
                name: None if given is None else source(given, name=name, scratch=Path(scratch) / name, spacing=spacing)
                for name, given in sides.items()
            },
        )


def source(given: Any, *, name: str, scratch: Path, spacing: Spacing | None, start: int = 0) -> Source:
    """Return the source of what a script gives for one side.

    Args:
        given: see ``Given``.
        name: what results call volumes that have no place of their own.
        scratch: folder for volumes in memory.
        spacing: of arrays, in mm along x, y and z.
        start: number of the first volume that is written there.

    Raises:
        SpecError: it is nothing of that kind, or arrays came without their spacing.
        DataError: a file or column is absent.
    """
    if isinstance(given, (str, Path)):
        return source_of(given)
    if isinstance(given, tuple) and len(given) == 2 and Path(str(given[0])).suffix.lower() in TABLES:
        return table_column(Path(given[0]), str(given[1]))
    items = [given] if isinstance(given, Volume) or _is_array(given) else given
    if not isinstance(items, Iterable):
        raise SpecError(f"{name} came as {type(given).__name__}: give a folder, files, volumes or arrays")
    files, number = [], count(start)
    for item in items:
        if isinstance(item, (str, Path)):
            files.append(Path(item))
            continue
        for volume in volumes(item, spacing=spacing):
            files.append(scratch / f"{next(number):06d}.nii")
            volume.write(files[-1])
    return Files.of(name, files)


def volumes(item: Any, *, spacing: Spacing | None) -> Iterator[Volume]:
    """Yield the volumes that an object holds.

    Args:
        item: a ``Volume``; or HU as an array or tensor on any device, (x, y, z) for one volume, (n, x, y, z) or
            (n, 1, x, y, z) for several. MONAI's tensors bring their affine.
        spacing: of arrays without an affine, in mm along x, y and z, which grow to the Right, to Anterior and to
            Superior.

    Raises:
        SpecError: another kind of object or number of axes, or no spacing.
        DataError: voxels that are no numbers, or not finite.
    """
    if isinstance(item, Volume):
        yield item
        return
    if not _is_array(item):
        raise SpecError(f"a volume came as {type(item).__name__}: give a Volume, or an array or tensor in HU")
    affine = _affine(item, spacing)
    voxels = _on_cpu(item)
    if voxels.ndim == 5 and voxels.shape[1] == 1:
        voxels = voxels[:, 0]
    if voxels.ndim not in (3, 4):
        raise SpecError(f"voxels came as {voxels.shape}: give (x, y, z), (n, x, y, z) or (n, 1, x, y, z)")
    for index, one in enumerate(voxels if voxels.ndim == 4 else voxels[None]):
        yield Volume(_in_hu(one), affine if affine.ndim == 2 else affine[index])


def _is_array(item: Any) -> bool:
    return hasattr(item, "__array__") and hasattr(item, "shape") and hasattr(item, "dtype")


def _on_cpu(item: Any) -> np.ndarray:
    """Return an array; a tensor is taken from its graph and device, and half precision is widened."""
    if hasattr(item, "detach"):
        item = item.detach().cpu()
        if item.dtype.is_floating_point:
            item = item.float()
    return np.asarray(item)


def _affine(item: Any, spacing: Spacing | None) -> np.ndarray:
    """Return (4, 4), or (n, 4, 4) where each volume of a batch has its own."""
    own = getattr(item, "affine", None)
    if spacing is None and own is not None:
        return np.asarray(_on_cpu(own), dtype=np.float64)
    if spacing is None:
        raise SpecError("arrays do not say how far their voxels are apart: give spacing=(x, y, z) in mm")
    if len(spacing) != 3 or not all(np.isfinite(step) and step > 0 for step in spacing):
        raise SpecError(f"spacing is {spacing}: give three numbers above 0, in mm along x, y and z")
    return np.diag([*map(float, spacing), 1.0])


def _in_hu(voxels: np.ndarray) -> np.ndarray:
    """Return int16 as it is, other integers and floats as float32, which is rounded when it is written."""
    if voxels.dtype == np.int16 or voxels.dtype == np.float32:
        return voxels
    if voxels.dtype.kind not in "iuf":
        raise SpecError(f"voxels came as {voxels.dtype}: give HU as numbers")
    return voxels.astype(np.float32)


@contextmanager
def named(
    metrics: Sequence[str | type[Metric] | Metric],
    dataset: str | type[Dataset] | Dataset | HasDataset | None,
    *,
    workers: int,
    progress: Progress,
) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Yield the names of metrics and of a data set; classes and instances have one while the block runs.

    Args:
        metrics: names, classes or instances.
        dataset: likewise, or what ``medbench.load_dataset`` returned.
        workers: processes; objects stay in this one.
        progress: told where it cannot be told what an object is.

    Raises:
        SpecError: something else, or objects for several processes.
    """
    if isinstance(metrics, str):
        raise SpecError(f"metrics is a list: give [{metrics!r}]")
    data = dataset if dataset is None or isinstance(dataset, (str, type)) else getattr(dataset, "dataset", dataset)
    with ExitStack() as kept:

        def name_of(kind: registry.Kind, given: Any, *, state: bool = True) -> str:
            if isinstance(given, str):
                return given
            name, unknown = kept.enter_context(registry.lent(kind, given, state=state))
            if workers > 1 and name not in registry.names(kind):
                file = "path/to/file.py:Class"
                raise SpecError(f"{name} came as an object, which stays in this process: give workers=1, or '{file}'")
            if unknown is not None:
                progress.note(f"{name} is compared with nothing and not found again, since {unknown}")
            return name

        yield (
            tuple(name_of("metrics", one) for one in metrics),
            None if data is None else name_of("datasets", data, state=False),
        )
