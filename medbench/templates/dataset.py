"""A data set of your own: a folder for each patient, with one or more volumes in it.

medbench run --model real --dataset template_name.py:TemplateName --data-root DIR
medbench evaluate SAMPLES --dataset template_name.py:TemplateName --data-root DIR

DIR/PATIENT/NAME.nii.gz
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from medbench import Case, Check, DataError, DatasetInfo, Grid, MedbenchError, Split, Volume


class TemplateName:
    """Volumes by patient; of every five patients one is held out, and one chooses checkpoints."""

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="template-name",
        version="1",  # raise it when cases, splits or voxels change
        summary="volumes of ...",
        license="of the data",
        source="where they come from",
        protocol="folder-2.5d",
    )

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        # All volumes are brought to it: Grid(shape=(128, 128, 64), fit="resize"). None: they share one already.
        self.grid: Grid | None = None

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split in a fixed order; volumes are read when they are needed."""
        cases = []
        for place, patient in enumerate(self._patients()):
            own: Split = "test" if place % 5 == 4 else "select" if place % 5 == 3 else "train"
            for file in sorted(patient.glob("*.nii.gz")):
                name = f"{patient.name}-{file.name.removesuffix('.nii.gz')}"
                # Label maps: read_label_map=..., which returns a LabelMap on the volume's grid.
                cases.append(Case(name, own, patient.name, partial(Volume.read, file)))
        return [case for case in cases if case.split == split]

    def identity(self) -> dict[str, object]:
        """Return all that decides the cases: results of data sets that differ in it are never compared or reused."""
        digest = hashlib.sha256()
        for patient in self._patients():
            for file in sorted(patient.glob("*.nii.gz")):
                with file.open("rb") as handle:
                    content = hashlib.file_digest(handle, "sha256").hexdigest()
                digest.update(f"{patient.name}/{file.name} {content}\n".encode())
        return {"name": self.info.name, "version": self.info.version, "files": digest.hexdigest()}

    def verify(self) -> list[Check]:
        """Read every volume, for ``medbench data verify``."""
        rows = []
        for split in ("train", "select", "test"):
            for case in self.cases(split):
                try:
                    detail, mend = f"{case.read_volume().shape}", ""
                except MedbenchError as error:
                    detail, mend = str(error), "get it again"
                rows.append(Check(check=case.id, ok=not mend, detail=detail, mend=mend))
        return rows

    def _patients(self) -> list[Path]:
        if self.root is None or not self.root.is_dir():
            raise DataError(f"template-name is not here ({self.root}): give its folder with --data-root")
        patients = sorted(path for path in self.root.iterdir() if path.is_dir())
        if not patients:
            raise DataError(f"{self.root} has no folders: give one with a folder a patient")
        return patients
