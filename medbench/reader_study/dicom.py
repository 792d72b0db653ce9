"""A case as a CT series: valid, readable everywhere, and the same for every case but for voxels and random UIDs.

Nothing is taken from the original: every attribute is written from nothing. Source of the attributes: DICOM PS3.3
A.3 (CT Image IOD) and C.7, C.8.2; of the de-identification codes: PS3.15 annex E.
"""

from __future__ import annotations

import secrets
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.reader_study.study import WindowPreset
from medbench.storage.files import make_folder, storage_errors

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

_IMPLEMENTATION: Final = "2.25.283734052114271573907324812318264907417"
_DIGITS: Final = 39  # of a random UID: files of one shape are equally long only if their UIDs are
_BASIC_PROFILE: Final = ("113100", "DCM", "Basic Application Confidentiality Profile")


def uid() -> UID:
    """Return a UID of 128 random bits, always equally long (PS3.5 B.2)."""
    from pydicom.uid import UID

    while len(number := str(secrets.randbits(128))) != _DIGITS:
        pass
    return UID(f"2.25.{number}")


def write_series(
    folder: Path, voxels: np.ndarray, *, spacing_mm: tuple[float, float, float], name: str, window: WindowPreset
) -> None:
    """Write a folder of slices, ``0001.dcm`` at the lowest position.

    Args:
        folder: is made; it should be one that nobody trusts yet, since slices appear one by one.
        voxels: (x, y, z) int16 HU on RAS+ axes.
        spacing_mm: along x, y, z.
        name: of the case; what the viewer shows in place of a patient.
        window: at which viewers open it.

    Raises:
        StorageError: the disk is full or the folder not writable.
    """
    make_folder(folder)
    x, y, z = (Decimal(str(step)) for step in spacing_mm)
    nx, ny, nz = voxels.shape
    head = _series(name, rows=ny, columns=nx, window=window)
    head.PixelSpacing = [_ds(y), _ds(x)]
    head.SliceThickness = _ds(z)
    for index in range(nz):
        head.InstanceNumber = str(index + 1)
        head.SOPInstanceUID = head.file_meta.MediaStorageSOPInstanceUID = uid()
        corner = ((1 - nx) * x / 2, (1 - ny) * y / 2, (1 - nz) * z / 2 + index * z)
        head.ImagePositionPatient = [_ds(value) for value in corner]
        # RAS+ to DICOM's rows from anterior to posterior and columns from right to left (LPS)
        head.PixelData = np.ascontiguousarray(voxels[::-1, ::-1, index].T).astype("<i2").tobytes()
        path = folder / f"{index + 1:04d}.dcm"
        with storage_errors(path):
            head.save_as(path, enforce_file_format=True)


def read_slices(folder: Path) -> np.ndarray:
    """Read back what ``write_series`` wrote; what reads any series takes ten times as long.

    Returns:
        (z, y, x) little-endian int16 HU on RAS+ axes.

    Raises:
        OSError: a slice cannot be read.
    """
    from pydicom import dcmread

    slices = [dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    first = slices[0]
    stored = np.stack([np.frombuffer(one.PixelData, "<i2") for one in slices])
    return np.ascontiguousarray(stored.reshape(len(slices), first.Rows, first.Columns)[:, ::-1, ::-1])


def _series(name: str, *, rows: int, columns: int, window: WindowPreset) -> Dataset:
    from pydicom import Dataset
    from pydicom.uid import CTImageStorage

    head = Dataset()
    head.file_meta = _file_meta()
    head.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    head.SOPClassUID = CTImageStorage
    head.StudyDate, head.StudyTime, head.StudyID = "20000101", "000000", "1"
    head.AccessionNumber = head.ReferringPhysicianName = ""
    head.Modality = "CT"
    head.Manufacturer = ""
    head.PatientName, head.PatientID = f"{name}^", name
    head.PatientBirthDate = head.PatientSex = ""
    head.PatientIdentityRemoved = "YES"
    head.DeidentificationMethodCodeSequence = [_code(*_BASIC_PROFILE)]
    head.StudyInstanceUID, head.SeriesInstanceUID, head.FrameOfReferenceUID = uid(), uid(), uid()
    head.SeriesNumber = "1"
    head.Laterality = ""
    head.AcquisitionNumber = None
    head.PatientPosition = "HFS"
    head.PositionReferenceIndicator = ""
    head.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    head.KVP = None
    head.BurnedInAnnotation = "NO"
    head.SamplesPerPixel = 1
    head.PhotometricInterpretation = "MONOCHROME2"
    head.Rows, head.Columns = rows, columns
    head.BitsAllocated = head.BitsStored = 16
    head.HighBit, head.PixelRepresentation = 15, 1
    head.WindowCenter, head.WindowWidth = (_ds(Decimal(str(v))) for v in (window.level_hu, window.width_hu))
    head.RescaleIntercept, head.RescaleSlope, head.RescaleType = "0", "1", "HU"
    return head


def _file_meta() -> FileMetaDataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    return meta


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _ds(value: Decimal) -> str:
    """Return a decimal string of at most 16 characters (PS3.5 6.2), exact for spacings of five decimals."""
    return f"{value.normalize():f}"
