"""What a DICOM file says of itself: what it is, its series, and where its frames lie. No pixel is read."""

from __future__ import annotations

import functools
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from medbench.errors import FormatError

_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
_CT_CLASSES: Final = (_CT, f"{_CT}.1", f"{_CT}.2")  # single frames, enhanced, legacy converted enhanced
_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"  # what ITK writes where nobody names a class
_SCOUTS: Final = {"LOCALIZER", "SCOUT", "TOPOGRAM"}
_TAGS: Final = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType"),
    *("InstanceNumber", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("BitsStored", "PixelRepresentation", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "SpacingBetweenSlices", "SliceThickness", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
_UNREADABLE: Final = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One slice: where it lies (LPS, mm), and how its values become HU; None for what the file does not say.

    Args:
        position: (3,), of the first pixel's centre.
        orientation: (6,), direction of the rows, then of the columns.
        spacing: between rows, between columns.
        slope: of the rescale.
        intercept: of the rescale.
        unit: rescale type, "HU" for Hounsfield units, empty where it is not said.
        number: the slice's in its series.
        step: distance of two slices, mm, as the header has it, or else their thickness.
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    unit: str
    number: int | None
    step: float | None


@dataclass(frozen=True, eq=False)
class DicomObject:
    """One DICOM file.

    Args:
        path: the file.
        instead: what it is where it cannot be part of a CT volume, else empty.
        pixels: whether it holds an image of the patient, as a series of another modality does.
        series: Series Instance UID.
        description: of the series.
        modality: CT, or what a careless writer says.
        size: columns, rows.
        bits: allocated, stored.
        signed: whether pixels are.
        inverted: MONOCHROME1, low values shown bright; the values mean the same.
        frames: one, or in an enhanced object those of the whole scan, as they are stored.
        applied: slope and intercept that GDCM turns all pixels by: those that all frames share, or the first one's.
    """

    path: Path
    instead: str
    pixels: bool
    series: str
    description: str
    modality: str
    size: tuple[int, int]
    bits: tuple[int, int]
    signed: bool
    inverted: bool
    frames: tuple[Frame, ...]
    applied: tuple[float, float]

    @property
    def dtype(self) -> np.dtype:
        """Type of the stored pixels."""
        size = next((size for size in (1, 2, 4) if self.bits[0] <= 8 * size), 8)
        return np.dtype(f"{'i' if self.signed else 'u'}{size}")


def read_object(path: Path) -> DicomObject:
    """Read a DICOM file up to its pixels; again only once its size or time changes.

    Raises:
        FormatError: a damaged or truncated file.
    """
    stamp = path.stat()
    return _read_once(path, stamp.st_size, stamp.st_mtime_ns)


@functools.lru_cache(maxsize=2**15)
def _read_once(path: Path, size: int, changed: int) -> DicomObject:
    del size, changed  # they make a changed file another one
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pydicom finds odd is checked here, or no matter
            data = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            return _described(path, data)
    except _UNREADABLE as error:
        raise damaged(path) from error


def damaged(path: Path) -> FormatError:
    """Return the refusal of a file that is no whole DICOM file."""
    return FormatError(f"{path}: this DICOM file cannot be read (damaged or truncated): export the series again")


def _described(path: Path, data: Any) -> DicomObject:
    kind = str(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID") or "")
    modality = str(data.get("Modality") or "")
    if not (kind or modality):
        raise damaged(path)
    instead = _instead(data, kind, modality)
    if not instead and not (data.get("Rows") and data.get("Columns")):
        raise damaged(path)
    shared = _first(data, "SharedFunctionalGroupsSequence")
    groups = list(data.get("PerFrameFunctionalGroupsSequence") or []) if not instead else []
    frames = tuple(_frame_of_many(group, shared) for group in groups) or (_frame(data),)
    if len(frames) != int(data.get("NumberOfFrames") or 1) and not instead:
        raise damaged(path)
    common = _first(shared, "PixelValueTransformationSequence")
    slope, intercept = _number(common, "RescaleSlope"), _number(common, "RescaleIntercept")
    slope = frames[0].slope if slope is None else slope
    intercept = frames[0].intercept if intercept is None else intercept
    allocated = int(data.get("BitsAllocated") or 16)
    return DicomObject(
        path=path,
        instead=instead,
        pixels=bool(data.get("Rows")) and "localizer" not in instead and "capture" not in instead,
        series=str(data.get("SeriesInstanceUID") or ""),
        description=str(data.get("SeriesDescription") or ""),
        modality=modality,
        size=(int(data.get("Columns") or 0), int(data.get("Rows") or 0)),
        bits=(allocated, int(data.get("BitsStored") or allocated)),
        signed=bool(data.get("PixelRepresentation") or 0),
        inverted=str(data.get("PhotometricInterpretation") or "").strip() == "MONOCHROME1",
        frames=frames,
        applied=(1.0 if slope is None else slope, 0.0 if intercept is None else intercept),
    )


def _instead(data: Any, kind: str, modality: str) -> str:
    """Return what an object is that is no part of a CT volume; empty where it is one."""
    from pydicom.uid import UID

    if _SCOUTS & {str(word).strip().upper() for word in data.get("ImageType") or ()}:
        return "a localizer (scout)"
    if int(data.get("SamplesPerPixel") or 1) != 1:
        return "a secondary capture in colour" if kind == _CAPTURE else "a colour image"
    if kind in _CT_CLASSES and modality in ("CT", "OT", ""):
        return ""
    placed = all(data.get(tag) for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    if kind == _CAPTURE and modality in ("CT", "OT", ""):
        return "" if placed else "a secondary capture"
    name = UID(kind).name.removesuffix(" Storage") if kind else "no class"
    return f"{modality or 'an object'} ({name})"


def _frame(data: Any) -> Frame:
    return Frame(
        position=_numbers(data, "ImagePositionPatient", 3),
        orientation=_numbers(data, "ImageOrientationPatient", 6),
        spacing=_numbers(data, "PixelSpacing", 2),
        slope=_number(data, "RescaleSlope"),
        intercept=_number(data, "RescaleIntercept"),
        unit=str(data.get("RescaleType") or "").strip(),
        number=_count(data, "InstanceNumber"),
        step=_number(data, "SpacingBetweenSlices") or _number(data, "SliceThickness"),
    )


def _frame_of_many(group: Any, shared: Any) -> Frame:
    """Return one frame of an enhanced object: what its own group does not say is said for all."""

    def within(sequence: str) -> Any:
        own = _first(group, sequence)
        return own if len(own) else _first(shared, sequence)

    rescale, measures = within("PixelValueTransformationSequence"), within("PixelMeasuresSequence")
    return Frame(
        position=_numbers(within("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=_numbers(within("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        spacing=_numbers(measures, "PixelSpacing", 2),
        slope=_number(rescale, "RescaleSlope"),
        intercept=_number(rescale, "RescaleIntercept"),
        unit=str(rescale.get("RescaleType") or "").strip(),
        number=_count(within("FrameContentSequence"), "InStackPositionNumber"),
        step=_number(measures, "SpacingBetweenSlices") or _number(measures, "SliceThickness"),
    )


def _first(data: Any, sequence: str) -> Any:
    return next(iter(data.get(sequence) or ()), {})


def _number(data: Any, tag: str) -> float | None:
    value = data.get(tag)
    return None if value in (None, "") else float(value)


def _count(data: Any, tag: str) -> int | None:
    value = data.get(tag)
    return None if value in (None, "") else int(value)


def _numbers(data: Any, tag: str, count: int) -> tuple[float, ...] | None:
    values: Sequence[Any] = data.get(tag) or ()
    return tuple(float(value) for value in values) if len(values) == count else None
