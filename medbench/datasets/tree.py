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
from medbench.imaging.findings import Finding
from medbench.imaging.formats import read_header
from medbench.imaging.masks import mask_findings, read_mask
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.collection import REGION_NAMES, collect, match_masks, region_names, unmatched
from medbench.records.samples import content_once
from medbench.spec import Window, fingerprint
from medbench.storage.names import shown


@dataclass(frozen=True)
class Tree:
    """Volumes and their cases.

    Args:
        volumes: by id.
        masks: by the id of their volume.
        entries: the cases in their order; a volume without one is left out.
        names: the region of each label value, where they are known.
        passed_over: what lies in the tree beside the volumes and is not read, and why.
    """

    volumes: Mapping[str, Path]
    masks: Mapping[str, Path]
    entries: Sequence[Entry]
    names: Mapping[int, str] | None = None
    passed_over: Sequence[Finding] = ()

    @classmethod
    def of(
        cls,
        volumes: Mapping[str, Path],
        entries: Sequence[Entry],
        masks: Path | None,
        passed_over: Mapping[Path, Finding] | None = None,
    ) -> Tree:
        """Take the masks, and the names of their values, from a folder: those that bear the name of a volume.

        Raises:
            DataError: there are masks, and none bears the name of a volume; see ``region_names``.
        """
        beside = dict(passed_over or {})
        if masks is None:
            return cls(volumes, {}, entries, None, list(beside.values()))
        maps = collect(masks)
        found = match_masks(list(volumes), maps.volumes)
        if not found:
            example = next(iter(volumes))
            raise DataError(
                f"{masks}: no mask bears the name of a volume: call the mask of '{example}' {example}.nii.gz"
            )
        beside |= maps.passed_over
        beside.pop(masks / REGION_NAMES, None)
        return cls(volumes, found, entries, region_names(masks), [*beside.values(), *unmatched(maps.volumes, found)])

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

    def noticed(self) -> list[Finding]:
        """Return what lies in the tree and is not read, and what the headers of cases and masks say that may mislead.

        Raises:
            DataError: a header that cannot be read.
        """
        found = list(self.passed_over)
        listed = {entry.id for entry in self.entries}
        unlisted = [path for name, path in self.volumes.items() if name not in listed]
        found += [Finding("note", shown(path), "unlisted", "no split lists it: it is left out") for path in unlisted]
        for entry in self.entries:
            path = self.volumes[entry.id]
            found += read_header(path).findings
            if mask := self.masks.get(entry.id):
                found += mask_findings(mask, path)
        return found

    def masks_identity(self) -> dict[str, object]:
        """Return a hash of the masks and the names of their values, each None where there are none."""
        names = {str(value): name for value, name in (self.names or {}).items()}
        return {"masks": content(self.masks) if self.masks else None, "regions": names or None}

    def counts(self) -> str:
        """Return how many cases each split has, in words."""
        splits = [entry.split for entry in self.entries]
        return ", ".join(f"{name} {splits.count(name)}" for name in get_args(Split))

    def rows(self, ids: Iterable[str]) -> list[Check]:
        """Read these volumes and masks to the last voxel (see ``checks.volume_rows``); account for the rest."""
        rows = checks.volume_rows({self.volumes[name]: self.masks.get(name) for name in ids})
        return [*rows, *checks.passed_over_rows(self.passed_over)]


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
