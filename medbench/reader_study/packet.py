"""The blinded folder of a study, as readers get it; opening it checks that it is what was created."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from medbench.errors import DataError
from medbench.imaging.volume import Volume
from medbench.progress import Progress, silent
from medbench.reader_study.criteria import first_problem
from medbench.reader_study.study import Study
from medbench.storage.files import sha256_once

STUDY: Final = "study.json"
CASES: Final = "cases"
FORM: Final = "form.csv"
INSTRUCTIONS: Final = "README.html"
RATINGS: Final = "ratings"

_AGAIN: Final = "create the packet again, or copy it again from where it was created"


class Packet:
    """A packet on disk.

    Args:
        path: the folder.
        study: its description.
    """

    def __init__(self, path: Path, study: Study) -> None:
        self.path = path
        self.study = study
        self.ratings = path / RATINGS
        self.form = path / FORM
        self.instructions = path / INSTRUCTIONS

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a packet. Its description is checked, and that all case files are there; ``verify`` reads these.

        Raises:
            DataError: no packet, or one that was damaged or changed after it was created.
        """
        file = path / STUDY
        try:
            study = Study.model_validate_json(file.read_bytes())
        except OSError as error:
            raise DataError(
                f"{path} is no packet (it has no {STUDY}): give a folder that 'medbench study create' made"
            ) from error
        except ValidationError as error:
            raise DataError(f"{file} is no description of a study ({first_problem(error)}): {_AGAIN}") from error
        packet = cls(path, study)
        for case in study.checksums:
            packet.files(case)
        return packet

    def files(self, case: str) -> list[Path]:
        """Return the file of a case, or those of its DICOM series in order.

        Raises:
            DataError: the packet has no such case, or its files are gone.
        """
        if case not in self.study.checksums:
            raise DataError(f"{self.path} has no case {case!r}: take the names of {STUDY}")
        place = self.case_path(case)
        found = [place] if self.study.format == "nifti" else sorted(place.glob("*.dcm"))
        if not found or not all(file.is_file() for file in found):
            raise DataError(f"{place} is in {STUDY} but not on the disk: {_AGAIN}")
        return found

    def case_path(self, case: str) -> Path:
        """Return where a case of this name lies: a file, or the folder of a series."""
        return self.path / CASES / (f"{case}.nii.gz" if self.study.format == "nifti" else case)

    def verify(self, progress: Progress = silent) -> None:
        """Read every case once and check that it is what was created.

        Raises:
            DataError: names the first case that is not.
        """
        for case in progress.track(self.study.checksums, task=f"check {self.path.name}"):
            self.verify_case(case)

    def verify_case(self, case: str) -> None:
        """Check that one case is what was created; its files are read once a process, unless they change.

        Raises:
            DataError: it is not.
        """
        if self.checksum(case) != self.study.checksums[case]:
            raise DataError(f"{self.case_path(case)} is not the file that was created: {_AGAIN}")

    def checksum(self, case: str) -> str:
        """Return the SHA-256 of a case's file, or over the hashes of its slices.

        Raises:
            DataError: see ``files``.
        """
        found = self.files(case)
        return sha256_once(self.case_path(case), found if self.study.format == "dicom" else ())

    def volume(self, case: str) -> Volume:
        """Return the verified voxels of a case, (x, y, z) int16 HU on RAS+ axes.

        Raises:
            DataError: see ``verify_case``.
        """
        self.verify_case(case)
        return Volume.read(self.case_path(case))
