"""The volumes that ``medbench view`` offers: those of a folder, or a run's samples and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medbench.errors import DataError
from medbench.imaging.masks import read_mask
from medbench.imaging.volume import LabelMap
from medbench.records.collection import MASK_FOLDERS, match_masks, region_names, volume_stem, volumes_by_id
from medbench.records.gallery import Gallery, Shown
from medbench.records.run import RunFolder
from medbench.viewer.slices import AxialSlices


@dataclass(frozen=True)
class Offered:
    """A volume that can be looked at.

    Args:
        name: shown above it; unique.
        path: its file, or the folder of a DICOM series.
        mask: its label map, or None.
        regions: the name of each label value, where they are known.
        beside: the name of the volume that stands beside it at first; None: it stands alone.
        relation: why that one.
    """

    name: str
    path: Path
    mask: Path | None = None
    regions: Mapping[int, str] | None = None
    beside: str | None = None
    relation: str = ""

    def slices(self) -> AxialSlices:
        """Return its voxels on their own grid.

        Raises:
            DataError: see ``medbench.imaging.formats.read_image``.
        """
        return AxialSlices.read(self.path)

    def label_map(self) -> LabelMap:
        """Return its label map.

        Raises:
            DataError: there is none, it is none, or it lies on another grid than the volume.
        """
        if self.mask is None:
            raise DataError(f"{self.name} has no label map")
        return read_mask(self.mask, self.path, self.regions)

    def described(self) -> dict[str, Any]:
        """Return what a list says of it."""
        return {"name": self.name, "beside": self.beside, "relation": self.relation, "labels": self.mask is not None}

    def regions_told(self) -> dict[str, Any]:
        """Return the names of its regions, and why its label map cannot be shown, if so."""
        if self.mask is None:
            return {}
        try:
            return {"regions": {str(value): name for value, name in self.label_map().names.items()}}
        except DataError as error:
            return {"problem": str(error)}


def offered(folder: Path) -> list[Offered]:
    """Return what can be looked at: of a run its gallery and all its samples, of a folder every volume in it.

    Args:
        folder: a run folder, a folder of volumes, or one volume; label maps in its ``masks`` or ``labels`` join them.

    Raises:
        DataError: no such folder, or no volume in it.
    """
    if not folder.exists():
        raise DataError(f"{folder} does not exist: give a run folder, or a folder of volumes")
    if folder.is_file():
        return [Offered(volume_stem(Path(folder.name)), folder)]
    run = RunFolder(folder)
    if not run.record_file.is_file():
        return list(_of_folder(folder))
    found = {one.name: one for one in sorted(_of_gallery(run), key=lambda one: one.beside is None)}
    for one in _of_folder(run.samples, "sample ") if run.samples.is_dir() else ():
        found.setdefault(one.name, one)
    if not found:
        raise DataError(f"{folder} is a run whose volumes lie elsewhere, or are gone: give the folder they lie in")
    return list(found.values())


def _of_folder(folder: Path, prefix: str = "") -> Iterator[Offered]:
    volumes = volumes_by_id(folder)
    masks: dict[str, Path] = {}
    names: Mapping[int, str] | None = None
    for inside in (folder / name for name in MASK_FOLDERS):
        if inside.is_dir():
            masks = {**match_masks(list(volumes), volumes_by_id(inside)), **masks}
            names = names or region_names(inside)
    for name, path in volumes.items():
        yield Offered(prefix + name, path, masks.get(name), names)


def _of_gallery(run: RunFolder) -> Iterator[Offered]:
    """Yield what a run's gallery names and is as it was; a pair's first volume knows the one beside it."""
    gallery = Gallery.read(run.path)
    for pair in gallery.pairs if gallery else ():
        beside = None if pair.beside is None else _as_it_was(pair.beside, run)
        first = _as_it_was(pair.first, run)
        yield from filter(None, [beside])
        if first is not None:
            yield replace(first, beside=beside.name if beside else None, relation=pair.relation if beside else "")


def _as_it_was(shown: Shown, run: RunFolder) -> Offered | None:
    try:
        path = shown.volume.check(run.path, shown.name)
        mask = shown.label_map.check(run.path, shown.name) if shown.label_map else None
    except DataError:
        return None
    return Offered(shown.title, path, mask, shown.regions or None)
