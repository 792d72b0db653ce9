"""A laboratory's own volumes: any tree of files, with masks and a split file where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from medbench.datasets import checks
from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.splits import Entry, read_splits, split_file
from medbench.datasets.tree import Tree, content
from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.records.collection import MASK_FOLDERS, collect
from medbench.spec import Grid
from medbench.storage.files import sha256_of
from medbench.storage.home import data_root


class FolderDataset:
    """Every volume below a folder (.nii, .nii.gz, .mhd, .mha, .nrrd, folders of DICOM slices).

    Layout::

        root/any/path/name.nii.gz        the case 'any/path/name'
        root/labels/any/path/name.mha    its mask, if it has one (or root/masks/, or the folder given as ``masks``)
        root/labels/labels.json          {"1": "lung_left", ...}, the names of the label values, if there are some
        root/splits.json                 {"train": [ids], "select": [ids], "test": [ids]}, or
        root/splits.csv                  columns id, split and, if a person has several volumes, patient

    Without a split file all cases are training cases, the reference, and nothing is held out; with one, cases that it
    does not list are left out. Voxels are handed over as they are stored, on their own grid.

    Args:
        root: the folder; None for ``MEDBENCH_DATA``/folder.
        masks: folder of masks, if it is not ``root/labels`` or ``root/masks``.
    """

    info: ClassVar = DatasetInfo(
        name="folder",
        version="1",
        summary="your own volumes: any tree of files, masks and a split file where there are some",
        license="that of the data",
        source="--data-root DIR",
        protocol="folder-2.5d",
    )

    def __init__(self, root: Path | None = None, *, masks: Path | None = None) -> None:
        self.root = root
        self.masks = masks
        self.grid: Grid | None = None

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split in natural order of their ids (a split file's order, if there is one).

        Raises:
            DataError: no volumes; two files of one id; a split file that is damaged or contradicts the volumes.
        """
        return self._tree().cases(split)

    def identity(self) -> dict[str, object]:
        """Return name, version and hashes of the volumes, the masks and the split file. Every file is read once."""
        tree, splits = self._tree(), split_file(self._root())
        return {
            "name": self.info.name,
            "version": self.info.version,
            "volumes": content({entry.id: tree.volumes[entry.id] for entry in tree.entries}),
            **tree.masks_identity(),
            "splits": sha256_of(splits) if splits else None,
        }

    def verify(self) -> list[Check]:
        """Check the layout, and read every volume and mask: sound, in HU, on one grid; name what is passed over."""
        try:
            tree = self._tree()
        except DataError as error:
            return [checks.failure("layout", error)]
        detail = (
            f"{len(tree.volumes)} volumes: {tree.counts()}, not listed {len(tree.volumes) - len(tree.entries)}; "
            f"{len(tree.masks)} with a mask"
        )
        return [checks.row("layout", True, detail), *tree.rows(entry.id for entry in tree.entries)]

    def noticed(self) -> list[Finding]:
        """Return what lies in the folder and is no case, and what headers say that may mislead."""
        return self._tree().noticed()

    def _root(self) -> Path:
        mend = "put volumes there in any tree, label maps into its labels/"
        return data_root(self.root, self.info.name, mend=mend)

    def _tree(self) -> Tree:
        root = self._root()
        usual = [root / name for name in MASK_FOLDERS if (root / name).is_dir()]
        masks = self.masks or (usual[0] if usual else None)
        if self.masks is None and len(usual) > 1:
            raise DataError(f"{root} has both labels/ and masks/: say with --masks which of them")
        found = collect(root, masks=masks)
        splits = split_file(root)
        entries = (
            read_splits(splits, found.volumes) if splits else [Entry(name, "train", name) for name in found.volumes]
        )
        beside = {path: finding for path, finding in found.passed_over.items() if path != splits}
        return Tree.of(found.volumes, entries, masks, beside)
