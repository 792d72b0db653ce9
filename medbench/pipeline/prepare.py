"""Stage prepare: real cases on the canonical grid, as files that are made once and shared by all runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from medbench.datasets.base import Case, Dataset
from medbench.engines.engine import Engine
from medbench.engines.work import run_all
from medbench.errors import DataError
from medbench.imaging.grid import label_map_to_grid, to_grid
from medbench.imaging.volume import UNNAMED
from medbench.pipeline.shard import WHOLE, Shard
from medbench.progress import Progress, silent
from medbench.records.samples import StoredVolume
from medbench.spec import Grid, fingerprint
from medbench.storage.files import write_json
from medbench.storage.home import home, shared_home
from medbench.storage.seals import is_sound, sealed_path, sealed_sha256
from medbench.storage.space import least_bytes, require_space
from medbench.storage.uses import touch

T = TypeVar("T")


@dataclass(frozen=True)
class RealSplits:
    """The real volumes a run is judged by.

    Args:
        reference: from the training split: what metrics compare with.
        held_out: from the test split: what the floor and the autoencoder are measured on.
    """

    reference: Sequence[StoredVolume]
    held_out: Sequence[StoredVolume]


def prepare(
    dataset: Dataset,
    *,
    identity: Mapping[str, Any],
    grid: Grid | None,
    reference_count: int | None,
    engine: Engine,
    shard: Shard = WHOLE,
    progress: Progress,
) -> RealSplits:
    """Bring the reference and the held-out cases to the canonical grid and keep them in ``MEDBENCH_HOME/prepared``.

    What ``MEDBENCH_SHARED`` has is taken from there.

    Args:
        dataset: where the cases come from.
        identity: what makes it this one.
        grid: canonical grid; None keeps each case's own.
        reference_count: how many cases of the training split are the reference; None: all.
        engine: where it is done.
        shard: which part of the cases; all where not given.
        progress: told about every case.

    Raises:
        DataError: data absent or damaged.
        StorageError: the disk is full, or known to be too small.
    """
    place = _place(dataset, identity, grid)
    folder = home() / place
    splits = dataset.cases("train")[:reference_count], dataset.cases("test")
    chosen = [on_grid(shard.of(cases), grid) for cases in splits]
    waiting = [case for cases in chosen for case in cases if not _files(place, case).are_sound(progress)]
    if waiting:
        if grid is not None and grid.shape is not None and grid.fit in ("resize", "crop_pad"):
            require_space(folder, len(waiting) * least_bytes(grid.shape), f"preparing {len(waiting)} volumes")
        with engine.executor(len(waiting)) as executor:
            work = run_all(partial(_prepare_case, folder=folder), waiting, executor=executor)
            for _ in progress.track(work, task=f"prepare {dataset.info.name}", total=len(waiting)):
                pass
    reference, held_out = ([_item(_files(place, case), case) for case in cases] for cases in chosen)
    return RealSplits(reference, held_out)


def absent(dataset: Dataset, *, identity: Mapping[str, Any], grid: Grid | None, reference_count: int | None) -> int:
    """Return how many cases ``prepare`` would have to make; files are looked for, not read."""
    place = _place(dataset, identity, grid)
    cases = (*dataset.cases("train")[:reference_count], *dataset.cases("test"))
    return sum(not _files(place, case).volume.exists() for case in cases)


def _place(dataset: Dataset, identity: Mapping[str, Any], grid: Grid | None) -> Path:
    settings = {"dataset": identity, "grid": grid.model_dump(mode="json") if grid else None}
    return Path("prepared") / f"{dataset.info.name}-{fingerprint(settings)}"


def on_grid(cases: Sequence[Case], grid: Grid | None) -> Sequence[Case]:
    """Return cases whose volumes and label maps come on the canonical grid when they are read."""
    if grid is None:
        return cases
    return [
        replace(
            case,
            read_volume=partial(_brought, to_grid, case.read_volume, grid),
            read_label_map=case.read_label_map and partial(_brought, label_map_to_grid, case.read_label_map, grid),
        )
        for case in cases
    ]


def _brought(bring: Callable[[T, Grid], T], read: Callable[[], T], grid: Grid) -> T:
    return bring(read(), grid)


def _prepare_case(case: Case, *, folder: Path) -> None:
    """Write a case's files, each staged under a name of this process alone: another one may prepare the same case."""
    files = _Files(folder, case)
    if case.read_label_map is not None:
        label_map = case.read_label_map()
        names = {str(value): name for value, name in label_map.names.items() if not name.startswith(UNNAMED)}
        with files.staged(files.mask) as staged:
            label_map.write(staged)
        with files.staged(files.names) as staged:
            write_json(staged, names or None)
    volume = case.read_volume()
    with files.staged(files.volume) as staged:
        volume.write(staged)


class _Files:
    """Where a prepared case lies. Each file is sealed under its place: that names data set, grid, split and case."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.volume = folder / case.split / f"{case.id}.nii.gz"
        self.mask = folder / f"{case.split}-labels" / f"{case.id}.nii.gz"
        self.names = folder / f"{case.split}-labels" / f"{case.id}.json"
        self._folder = folder
        self._masked = case.read_label_map is not None

    def are_sound(self, progress: Progress) -> bool:
        """Say whether nothing is to be made; every file is read through."""
        wanted = (self.volume, self.mask, self.names) if self._masked else (self.volume,)
        for path in wanted:
            touch(path)
        return all(is_sound(path, self._key(path), progress) for path in wanted)

    def staged(self, path: Path) -> AbstractContextManager[Path]:
        """Yield a temporary name for one of the files, see ``sealed_path``."""
        return sealed_path(path, self._key(path))

    def sha256(self) -> str:
        """Return the SHA-256 of the volume.

        Raises:
            DataError: it is not there, or not what was written.
        """
        found = sealed_sha256(self.volume, self._key(self.volume))
        if found is None:
            raise DataError(f"{self.volume} was altered while it was in use: run the same command again")
        return found

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder.parent).as_posix()


def _files(place: Path, case: Case) -> _Files:
    """Return where a case lies or is to lie: the shared folder serves where the own one lacks it."""
    own, shared = _Files(home() / place, case), shared_home()
    if shared is not None and not own.volume.exists():
        lower = _Files(shared / place, case)
        return lower if lower.are_sound(silent) else own
    return own


def _item(files: _Files, case: Case) -> StoredVolume:
    item = StoredVolume(case.id, case.patient, files.volume, files.sha256())
    if case.read_label_map is None:
        return item
    names: dict[str, str] | None = json.loads(files.names.read_bytes())
    return replace(item, mask=files.mask, regions={int(v): name for v, name in names.items()} if names else None)
