"""Stage prepare: real cases on the canonical grid, as files that are made once and shared by all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from medbench.dataset import Case, Dataset, Split
from medbench.files import sha256_of, write_json
from medbench.grid import label_map_to_grid, to_grid
from medbench.home import home
from medbench.pipeline import engine
from medbench.progress import Progress
from medbench.samples import REGION_NAMES, Item, region_names
from medbench.spec import Grid, fingerprint


@dataclass(frozen=True)
class RealSplits:
    """The real volumes a run is judged by.

    Args:
        reference: from the training split: what metrics compare with.
        held_out: from the test split: what the floor and the autoencoder are measured on.
    """

    reference: Sequence[Item]
    held_out: Sequence[Item]


def prepare(
    dataset: Dataset, *, grid: Grid | None, reference_count: int | None, workers: int, progress: Progress
) -> RealSplits:
    """Bring the reference and the held-out cases to the canonical grid and keep them in ``MEDBENCH_HOME/prepared``.

    Args:
        dataset: where the cases come from.
        grid: canonical grid; None keeps each case's own.
        reference_count: how many cases of the training split are the reference; None: all.
        workers: processes.
        progress: told about every case.

    Raises:
        DataError: data absent or damaged.
        StorageError: the disk is full.
    """
    settings = {"dataset": dataset.identity(), "grid": grid.model_dump(mode="json") if grid else None}
    folder = home() / "prepared" / f"{dataset.info.name}-{fingerprint(settings)}"
    chosen: dict[Split, Sequence[Case]] = {
        "train": dataset.cases("train")[:reference_count],
        "test": dataset.cases("test"),
    }
    waiting = [case for cases in chosen.values() for case in cases if not _volume_path(folder, case).is_file()]
    if waiting:
        with engine.local(min(workers, len(waiting))) as executor:
            work = engine.run_all(partial(_prepare_case, folder=folder, grid=grid), waiting, executor=executor)
            for _ in progress.track(work, task=f"prepare {dataset.info.name}", total=len(waiting)):
                pass
    reference, held_out = ([_item(folder, case) for case in chosen[split]] for split in ("train", "test"))
    return RealSplits(reference, held_out)


def _prepare_case(case: Case, *, folder: Path, grid: Grid | None) -> None:
    volume = case.read_volume()
    if case.read_label_map is not None:
        label_map = case.read_label_map()
        names = {str(value): name for value, name in label_map.names.items()}
        write_json(_mask_folder(folder, case) / REGION_NAMES, names)
        (label_map_to_grid(label_map, grid) if grid else label_map).write(_mask_path(folder, case))
    # The volume comes last: where it is, its label map is too.
    (to_grid(volume, grid) if grid else volume).write(_volume_path(folder, case))


def _volume_path(folder: Path, case: Case) -> Path:
    return folder / case.split / f"{case.id}.nii.gz"


def _mask_folder(folder: Path, case: Case) -> Path:
    return folder / f"{case.split}-labels"


def _mask_path(folder: Path, case: Case) -> Path:
    return _mask_folder(folder, case) / f"{case.id}.nii.gz"


def _item(folder: Path, case: Case) -> Item:
    path = _volume_path(folder, case)
    item = Item(id=case.id, subject=case.patient, path=path, sha256=sha256_of(path))
    if case.read_label_map is None:
        return item
    return replace(item, mask=_mask_path(folder, case), regions=region_names(_mask_folder(folder, case)))
