"""A DICOM scan as one volume; GDCM (in SimpleITK) decodes every common transfer syntax, the rescale is done here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import FormatError, GeometryError, IntensityError
from medbench.imaging.findings import Finding
from medbench.imaging.formats.dicom.objects import DicomObject, Frame, damaged
from medbench.imaging.formats.dicom.scans import Scan, scan_at
from medbench.imaging.formats.dicom.spacing import even_line
from medbench.imaging.formats.geometry import affine_from, spatial_shape
from medbench.imaging.formats.stored import Header, Stored, check_limit

_SAME = 1e-3  # of direction cosines, share of the spacing: they are stored as decimal text
_STDERR = 2


@dataclass(frozen=True)
class _Slice:
    """A frame and where its pixels lie: which object, which of its frames."""

    frame: Frame
    of: DicomObject
    index: int


def open_dicom(path: Path) -> Stored:
    """Open the one CT scan of a folder (or of an enhanced object's file): slices sorted by position, rescaled to HU.

    Every slice's header is read.

    Raises:
        DataError: no series, or several.
        FormatError: headers that cannot be read, or that make no volume; when read, slices that cannot be decoded.
        GeometryError: slices are missing, doubled or unevenly spaced.
        IntensityError: no CT; slices of one series with and without a rescale.
    """
    scan = scan_at(path)
    slices = [_Slice(frame, one, index) for one in scan.objects for index, frame in enumerate(one.frames)]
    header, ordered = _header(scan, slices)
    place = {(one.of.path, one.index): number for number, one in enumerate(ordered)}

    def read() -> np.ndarray:
        voxels = np.empty(header.shape, dtype=np.float32)
        for one in scan.objects:
            for index, (frame, pixels) in enumerate(zip(one.frames, _pixels(one), strict=True)):
                slope, intercept = _rescale(frame)
                voxels[..., place[one.path, index]] = (pixels * slope + intercept).T
        return voxels

    return Stored(header, read)


def _header(scan: Scan, slices: list[_Slice]) -> tuple[Header, list[_Slice]]:
    path, first = scan.path, slices[0]
    if any((one.of.size, one.of.dtype) != (first.of.size, first.of.dtype) for one in slices):
        raise _no_volume(path, len(slices))
    shape = spatial_shape(path, (*first.of.size, len(slices)))
    check_limit(path, int(np.prod(shape)) * first.of.dtype.itemsize)
    rows, columns, spacing = _plane(path, slices)
    normal = np.cross(rows, columns)
    if any(one.frame.position is None for one in slices):
        raise GeometryError(f"{path}: slices without a position (0020,0032): export the series again")
    ordered = sorted(
        slices, key=lambda one: (float(normal @ np.array(one.frame.position)), str(one.of.path), one.index)
    )
    line = even_line(path, [one.frame for one in ordered], normal)
    directions = np.stack([rows, columns, line.step], axis=1)
    affine = affine_from(path, directions, (spacing[1], spacing[0], 1.0), line.start)
    said = [*_rescale_findings(path, slices), *line.findings]
    if scan.objects[0].modality != "CT":
        modality = scan.objects[0].modality or "not told"
        said.append(Finding("warning", str(path), "modality", f"its modality is {modality}: are its values HU?"))
    scaled = any(_rescale(one.frame) != (1.0, 0.0) for one in slices)
    return Header(shape, affine, first.of.dtype, scaled, findings=tuple(said)), ordered


def _plane(path: Path, slices: Sequence[_Slice]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the direction along rows (with the column index), that down the columns, and the pixels' spacing."""
    told = [(one.frame.orientation, one.frame.spacing) for one in slices]
    if any(orientation is None or spacing is None for orientation, spacing in told):
        raise GeometryError(
            f"{path}: slices without an orientation (0020,0037) or a pixel spacing (0028,0030): export the series again"
        )
    orientations, spacings = (np.array(values, dtype=np.float64) for values in zip(*told))
    if np.ptp(orientations, axis=0).max() > _SAME:
        raise GeometryError(f"{path}: its slices are tilted differently: split the series, one volume a folder")
    if np.any(np.ptp(spacings, axis=0) > _SAME * np.abs(spacings[0])):
        raise _no_volume(path, len(slices))
    return orientations[0, :3], orientations[0, 3:], spacings[0]


def _rescale(frame: Frame) -> tuple[float, float]:
    return 1.0 if frame.slope is None else frame.slope, 0.0 if frame.intercept is None else frame.intercept


def _rescale_findings(path: Path, slices: Sequence[_Slice]) -> Iterator[Finding]:
    """Yield what makes HU doubtful.

    Raises:
        IntensityError: some slices have a rescale and others none; a slope of 0.
    """
    frames = [one.frame for one in slices]
    tags = (
        ("RescaleIntercept (0028,1052)", [frame.intercept for frame in frames]),
        ("RescaleSlope (0028,1053)", [frame.slope for frame in frames]),
    )
    for name, values in tags:
        known = [value for value in values if value is not None]
        if known and len(known) < len(values):
            raise IntensityError(
                f"{path}: {len(values) - len(known)} of {len(values)} slices lack {name}, the others have "
                f"{known[0]:g}: export the series again"
            )
        if not all(map(np.isfinite, known)) or (name.startswith("RescaleSlope") and 0 in known):
            raise IntensityError(f"{path}: {name} is {min(known):g}, which makes no HU: export the series again")
    if frames[0].intercept is None:
        yield Finding("warning", str(path), "rescale", "no slice has a RescaleIntercept: its values are taken as HU")
    if units := sorted({frame.unit for frame in frames} - {"", "HU"}):
        yield Finding("warning", str(path), "rescale", f"its rescale type is {units[0]}, not HU: are its values HU?")


def _no_volume(path: Path, count: int) -> FormatError:
    return FormatError(
        f"{path}: the {count} slices cannot be read as one volume (damaged, or of different sizes): "
        "export the series again"
    )


def _pixels(one: DicomObject) -> np.ndarray:
    """Return an object's pixels (frames, rows, columns) as they are stored, before any rescale.

    GDCM rescales every frame by one slope and intercept, and turns MONOCHROME1 about; both are undone.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(one.path))
    reader.SetImageIO("GDCMImageIO")
    reader.SetOutputPixelType(sitk.sitkFloat64)  # rescale slopes may be fractions
    try:
        with _quiet(sitk):
            values: np.ndarray = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise damaged(one.path) from error
    values = values.reshape(-1, *values.shape[-2:])
    if values.shape != (len(one.frames), one.size[1], one.size[0]):
        raise damaged(one.path)
    slope, intercept = one.applied
    stored = np.rint((values - intercept) / slope)
    if one.inverted:
        stored = (-1 if one.signed else 2 ** one.bits[1] - 1) - stored
    return stored


@contextlib.contextmanager
def _quiet(sitk: Any) -> Iterator[None]:
    """Keep the warnings of ITK and of its codecs off the terminal; what they tell is checked and reported here."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    sys.stderr.flush()
    terminal, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)  # OpenJPEG writes there directly
    try:
        yield
    finally:
        os.dup2(terminal, _STDERR)
        os.close(terminal)
        os.close(nowhere)
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
