"""Cases that lie as files below a folder: their volumes and masks by id, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from medbench.datasets import checks
from medbench.datasets.base import Case, Check, Split
from medbench.datasets.splits import Entry
from medbench.errors import DataError
from medbench.imaging.masks import read_mask
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.samples import content_once, region_names, volumes_by_id
from medbench.spec import Window, fingerprint


@dataclass(frozen=True)
class Tree:
    """Volumes and their cases.

    Args:
        volumes: by id.
        masks: by the id of their volume.
        entries: the cases in their order; a volume without one is left out.
        names: the region of each label value, where they are known.
    """

    volumes: Mapping[str, Path]
    masks: Mapping[str, Path]
    entries: Sequence[Entry]
    names: Mapping[int, str] | None = None

    @classmethod
    def of(cls, volumes: Mapping[str, Path], entries: Sequence[Entry], masks: Path | None) -> Tree:
        """Take the masks, and the names of their values, from a folder: those that bear the name of a volume.

        Raises:
            DataError: there are masks, and none bears the name of a volume; see ``region_names``.
        """
        if masks is None:
            return cls(volumes, {}, entries)
        found = {name: path for name, path in volumes_by_id(masks).items() if name in volumes}
        if not found:
            example = next(iter(volumes))
            raise DataError(
                f"{masks}: no mask bears the name of a volume: call the mask of '{example}' {example}.nii.gz"
            )
        return cls(volumes, found, entries, region_names(masks))

    def cases(
        self,
        split: Split,
        *,
        read_volume: Callable[[Path], Volume] = Volume.read,
        read_label_map: Callable[[Path, Path, Mapping[int, str] | None], LabelMap] = read_mask,
    ) -> list[Case]:
        """Return the cases of a split; label maps are read from a mask, its volume and the names."""
        return [
            Case(
                id=entry.id,
                split=split,
                patient=entry.patient,
                read_volume=partial(read_volume, self.volumes[entry.id]),
                read_label_map=partial(read_label_map, mask, self.volumes[entry.id], self.names)
                if (mask := self.masks.get(entry.id))
                else None,
            )
            for entry in self.entries
            if entry.split == split
        ]

    def masks_identity(self) -> dict[str, object]:
        """Return a hash of the masks and the names of their values, each None where there are none."""
        names = {str(value): name for value, name in (self.names or {}).items()}
        return {"masks": content(self.masks) if self.masks else None, "regions": names or None}

    def counts(self) -> str:
        """Return how many cases each split has, in words."""
        splits = [entry.split for entry in self.entries]
        return ", ".join(f"{name} {splits.count(name)}" for name in get_args(Split))

    def header_rows(self, ids: Iterable[str]) -> list[Check]:
        """Check the headers of these volumes and of their masks (see ``checks.header_rows``)."""
        return checks.header_rows({self.volumes[name]: self.masks.get(name) for name in ids})


def read_clipped(path: Path, window: Window) -> Volume:
    """Read a volume and clip it to a window, so that padding (below -1024 HU) becomes air and metal ends at ``high``.

    Raises:
        DataError: see ``Volume.read``.
    """
    volume = Volume.read(path)
    return Volume(volume.voxels.clip(round(window.low), round(window.high)), volume.affine)


def content(paths: Mapping[str, Path]) -> str:
    """Return a fingerprint of what files hold under which ids; a file is read once a process unless it changes."""
    return fingerprint({name: content_once(path) for name, path in paths.items()})
