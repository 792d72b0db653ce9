"""The photon-counting coronary CT angiographies of the MedLoRD paper, for those who hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from medbench.datasets import checks
from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.splits import Entry
from medbench.datasets.tree import Tree, content, read_clipped
from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.records.collection import Collection, collect
from medbench.spec import Grid, Spec, Window
from medbench.storage.home import data_root


class PcctaCounts(Spec):
    """How many volumes the two folders hold, and how many of ``train`` select checkpoints."""

    train: int = 120
    test: int = 16
    select: int = 12


class PcctaDataset:
    """The paper's private set: 120 volumes for training and 16 held out, one a patient. It cannot be downloaded.

    Layout::

        root/train/<id>.nii.gz      120 volumes
        root/test/<id>.nii.gz       16 volumes of other patients
        root/labels/<id>.nii.gz     optional masks of either
        root/labels/labels.json     {"1": "heart_myocardium", ...}, the names of the label values, if there are some

    12 of the 120 are the selection split: those whose ids have the smallest SHA-256 of ``pccta:<id>``. The choice
    depends on the ids alone, not on their order or the machine. Volumes are clipped to the paper's window, -1000 to
    2000 HU, when they are read; the canonical grid crops and pads them about their centre to 512 x 512 x 256.

    Args:
        root: the folder; None for ``MEDBENCH_DATA``/pccta.
        counts: other counts than the paper's.
    """

    info: ClassVar = DatasetInfo(
        name="pccta",
        version="1",
        summary="the MedLoRD paper's photon-counting coronary CTA: 108 train, 12 select, 16 held out",
        license="private: held by the paper's authors",
        source="arXiv 2503.13211; not public",
        protocol="medlord-2.5d",
    )

    def __init__(self, root: Path | None = None, *, counts: PcctaCounts | None = None) -> None:
        self.root = root
        self.counts = counts or PcctaCounts()
        self.grid: Grid | None = Grid(shape=(512, 512, 256), fit="crop_pad")
        self.window = Window(low=-1000, high=2000)

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split in natural order of their ids.

        Raises:
            DataError: no such folder, a wrong number of volumes, or an id in both folders.
        """
        return self._tree().cases(split, read_volume=partial(read_clipped, window=self.window))

    def identity(self) -> dict[str, object]:
        """Return name, version, the counts and hashes of volumes and masks. Every file is read once."""
        tree = self._tree()
        return {
            "name": self.info.name,
            "version": self.info.version,
            "counts": self.counts.model_dump(),
            "volumes": content({f"{entry.split}/{entry.id}": tree.volumes[entry.id] for entry in tree.entries}),
            **tree.masks_identity(),
        }

    def verify(self) -> list[Check]:
        """Check the counts, and read every volume and mask: sound, in HU, on one grid; name what is passed over."""
        try:
            tree = self._tree()
        except DataError as error:
            return [checks.failure("layout", error)]
        layout = checks.row("layout", True, f"{tree.counts()}; {len(tree.masks)} with a mask")
        return [layout, *tree.rows(tree.volumes)]

    def noticed(self) -> list[Finding]:
        """Return what lies in the folders and is no case, and what headers say that may mislead."""
        return self._tree().noticed()

    def _tree(self) -> Tree:
        layout = f"put {self.counts.train} volumes into train/ and {self.counts.test} into test/ as <id>.nii.gz"
        mend = f"this set is private; if you hold it, {layout}"
        root = data_root(self.root, self.info.name, mend=mend)
        if not root.is_dir():
            raise DataError(f"{root}: no such folder: {mend}")
        folders = [_collected(root / name, wanted, layout) for name, wanted in self._wanted()]
        train, test = (found.volumes for found in folders)
        if both := sorted(train.keys() & test.keys()):
            raise DataError(
                f"{root}: '{both[0]}' is in train/ and in test/: a held-out patient must not train, keep one"
            )
        drawn = sorted(train, key=lambda name: hashlib.sha256(f"pccta:{name}".encode()).hexdigest())
        selecting = set(drawn[: self.counts.select])
        entries = [Entry(name, "select" if name in selecting else "train", name) for name in train]
        entries += [Entry(name, "test", name) for name in test]
        masks = root / "labels"
        beside = {path: finding for found in folders for path, finding in found.passed_over.items()}
        return Tree.of({**train, **test}, entries, masks if masks.is_dir() else None, beside)

    def _wanted(self) -> tuple[tuple[str, int], ...]:
        return ("train", self.counts.train), ("test", self.counts.test)


def _collected(folder: Path, wanted: int, layout: str) -> Collection:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder: {layout}")
    found = collect(folder)
    if len(found.volumes) != wanted:
        raise DataError(f"{folder} has {len(found.volumes)} volumes in place of {wanted}: {layout}")
    return found
