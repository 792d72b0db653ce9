"""LUNA16: 888 thoracic CT scans of LIDC-IDRI in ten published subsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from medbench.datasets import checks
from medbench.datasets.base import Case, Check, DatasetInfo, Split
from medbench.datasets.luna.files import LunaFiles, fetch_all, mark_of, published_files
from medbench.datasets.luna.split import PATIENTS, LunaSplit, Subset, assign, published_split, read_patients
from medbench.datasets.splits import Entry
from medbench.datasets.tree import Tree, read_clipped
from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import survey
from medbench.imaging.masks import read_mask
from medbench.imaging.volume import LabelMap
from medbench.progress import Progress, silent
from medbench.records.collection import unmatched
from medbench.spec import Grid, Window, fingerprint
from medbench.storage.download import Download
from medbench.storage.home import data_root
from medbench.storage.names import shown

REGIONS: Final[Mapping[int, str]] = {1: "lung_left", 2: "lung_right", 3: "trachea"}
_STORED_VALUES: Final = (3, 4, 5)  # of the regions above, in the masks of LUNA16
_MASKS: Final = "seg-lungs-LUNA16"


@dataclass(frozen=True)
class _Scans:
    """The scans in order of subset and series UID, the split of each one's subset, and each one's patient."""

    tree: Tree
    planned: Mapping[str, Split]
    patient: Mapping[str, str]

    @property
    def left_out(self) -> list[str]:
        """Scans for training or selection whose patient is held out."""
        return sorted(self.planned.keys() - {entry.id for entry in self.tree.entries})


@dataclass(frozen=True)
class _Found:
    """What lies in one published folder, or in the folder of the same name that unpacking into it makes."""

    scans: Sequence[Path]
    beside: Sequence[Finding]

    @classmethod
    def below(cls, folder: Path) -> _Found:
        if not folder.is_dir():
            return cls((), ())
        found = survey(folder)
        scans = [path for path in found.volumes if path.suffix.lower() == ".mhd"]
        others = [path for path in found.volumes if path not in scans]
        detail = "LUNA16's scans are .mhd files: it is not read"
        strange = [Finding("warning", shown(path), "unlisted", detail) for path in others]
        return cls(scans, [*found.passed_over.values(), *strange])


class LunaDataset:
    """LUNA16 as it is published.

    Layout (``medbench data fetch luna`` makes it; each folder may also lie once more in a folder of its own name)::

        root/subset0/<seriesUID>.mhd, .raw      to subset9: 888 scans
        root/seg-lungs-LUNA16/<seriesUID>.mhd   optional masks: left lung, right lung, trachea
        root/patients.csv                       optional columns seriesuid, patient_id

    The split is fixed: subsets 0 to 7 train (712), subset 8 selects (88), subset 9 is held out (88). A few patients of
    LIDC-IDRI have two scans, which the series UIDs do not tell. With ``patients.csv`` every patient stays within one
    split: a scan for training or selection whose patient is held out is left out. Copy TCIA's ``metadata.csv`` of
    LIDC-IDRI there (the NBIA Data Retriever writes it); its columns Series UID and Subject ID are understood.

    Volumes are clipped to the paper's window, -1000 to 2000 HU, when they are read: what lies outside the scanner's
    field of view is stored as far below -1000 as -32768, which is no HU. The canonical grid stretches each field of
    view to 512 x 512 x 256. 14 scans are stored with x and y flipped; reading through their affine undoes that.

    Args:
        root: the folder; None for ``MEDBENCH_DATA``/luna.
        split: another split than the published one (for trees of another size).
        files: other files than the published ones (for mirrors).
    """

    info: ClassVar = DatasetInfo(
        name="luna",
        version="1",
        summary="LUNA16: 888 thoracic CT scans; 712 train, 88 select, 88 held out",
        license="CC BY 4.0 (scans: LIDC-IDRI, CC BY 3.0)",
        source="https://zenodo.org/records/3723295 and https://zenodo.org/records/4121926",
        protocol="medlord-2.5d",
        known_as=("LUNA16",),
        part_of=("LIDC-IDRI", "LIDC"),
    )

    def __init__(
        self, root: Path | None = None, *, split: LunaSplit | None = None, files: LunaFiles | None = None
    ) -> None:
        self.root = root
        self.split = split
        self.files = files
        self.grid: Grid | None = Grid(shape=(512, 512, 256), fit="resize")
        self.window = Window(low=-1000, high=2000)

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split, by subset and series UID.

        Raises:
            DataError: no such folder; subsets that are absent, incomplete or hold too much; a damaged patients.csv.
        """
        read_volume = partial(read_clipped, window=self.window)
        return self._scans().tree.cases(split, read_volume=read_volume, read_label_map=_read_lungs)

    def identity(self) -> dict[str, object]:
        """Return name, version, a hash of the split, and which scans patients.csv moved."""
        scans = self._scans()
        entries, masks = scans.tree.entries, scans.tree.masks
        known = (self._root() / PATIENTS).is_file()
        return {
            "name": self.info.name,
            "version": self.info.version,
            "split": fingerprint({entry.id: entry.split for entry in entries}),
            "masks": fingerprint(sorted(masks)) if masks else None,
            "patients": fingerprint(dict(scans.patient)) if known else None,
            "left_out": scans.left_out,
            "moved_to_select": sorted(entry.id for entry in entries if entry.split != scans.planned[entry.id]),
        }

    def fetch_plan(self) -> Sequence[Download]:
        """Return the files that are still to be fetched; complete subsets and unpacked archives are not."""
        return [file for file in (self.files or published_files()).downloads() if not self._is_here(file)]

    def fetch(self, progress: Progress = silent) -> None:
        """Fetch, verify and unpack what is missing; a killed call goes on where it stopped.

        Raises:
            DataError: the network, or a file that is not the published one.
            StorageError: too little free disk space.
        """
        fetch_all(self.fetch_plan(), self._root(), progress)

    def verify(self) -> list[Check]:
        """Check every subset's count and the split, and read every scan and mask; name what is passed over."""
        rows, mend = [], self._mend()
        try:
            for name, (subset, found) in self._subsets().items():
                detail = f"{len(found.scans)} of {subset.scans} scans ({subset.split})"
                rows.append(checks.row(name, len(found.scans) == subset.scans, detail, mend))
            scans = self._scans()
        except DataError as error:
            return [*rows, checks.failure("split", error)]
        known = (self._root() / PATIENTS).is_file()
        grouping = "grouped by patient" if known else f"not grouped by patient (no {PATIENTS})"
        detail = f"{scans.tree.counts()}, left out {len(scans.left_out)}; {grouping}"
        return [*rows, checks.row("split", True, detail), *scans.tree.rows(scans.tree.volumes)]

    def _root(self) -> Path:
        mend = "if it is not here yet, run 'medbench data fetch luna --data-root DIR' (66 GB)"
        return data_root(self.root, self.info.name, mend=mend)

    def _mend(self) -> str:
        return f"run 'medbench data fetch luna --data-root {self._root()}'"

    def noticed(self) -> list[Finding]:
        """Return what lies among the scans and is none, and what headers say that may mislead."""
        return self._scans().tree.noticed()

    def _subsets(self) -> dict[str, tuple[Subset, _Found]]:
        """Return each published folder's description and what is in it."""
        root, subsets = self._root(), (self.split or published_split()).subsets
        return {f"subset{k}": (subset, _Found.below(root / f"subset{k}")) for k, subset in enumerate(subsets)}

    def _scans(self) -> _Scans:
        root = self._root()
        if not root.is_dir():
            raise DataError(f"{root}: no such folder: {self._mend()} (66 GB), or give the --data-root that has subset0")
        subsets = self._subsets()
        counts = {name: (len(found.scans), subset.scans) for name, (subset, found) in subsets.items()}
        wrong = {name: count for name, count in counts.items() if count[0] != count[1]}
        if wrong:
            told = (
                f"{name} has {here} scans in place of {wanted}" if here else f"{name} is missing"
                for name, (here, wanted) in wrong.items()
            )
            too_many = any(here > wanted for here, wanted in wrong.values())
            mend = "keep only the published scans there" if too_many else self._mend()
            raise DataError(f"{root}: {', '.join(told)}: {mend}")
        path: dict[str, Path] = {}
        planned: dict[str, Split] = {}
        for subset, found in subsets.values():
            for scan in found.scans:
                if scan.stem in path:
                    raise DataError(f"{path[scan.stem]} and {scan} are the same scan: {self._mend()} into a new folder")
                path[scan.stem], planned[scan.stem] = scan, subset.split
        table = root / PATIENTS
        patient = read_patients(table, list(path)) if table.is_file() else {scan: scan for scan in path}
        lungs = _Found.below(root / _MASKS)
        masks = {mask.stem: mask for mask in lungs.scans if mask.stem in path}
        entries = [Entry(scan, split, patient[scan]) for scan, split in assign(planned, patient).items()]
        beside = [finding for found in (*(found for _, found in subsets.values()), lungs) for finding in found.beside]
        beside += unmatched({mask.stem: mask for mask in lungs.scans}, masks)
        return _Scans(Tree(path, masks, entries, REGIONS, beside), planned, patient)

    def _is_here(self, download: Download) -> bool:
        root, name = self._root(), download.filename.removesuffix(".zip")
        if found := self._subsets().get(name):
            subset, here = found
            return len(here.scans) == subset.scans and checks.headers_are_sound(here.scans)
        if download.filename.endswith(".zip"):
            return mark_of(root, download.filename).is_file() and (root / name).is_dir()
        path = root / download.filename
        return path.is_file() and download.size_bytes in (None, path.stat().st_size)


def _read_lungs(path: Path, volume_path: Path, names: Mapping[int, str] | None) -> LabelMap:
    stored = read_mask(path, volume_path, {})
    voxels = np.zeros_like(stored.voxels)
    for value, old in zip(REGIONS, _STORED_VALUES):
        voxels[stored.voxels == old] = value
    return LabelMap(voxels, stored.affine, names or {})
