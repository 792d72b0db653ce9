"""A folder that holds one DICOM series; GDCM (in SimpleITK) decodes every common transfer syntax."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import DataError, FormatError, GeometryError, IntensityError
from medbench.imaging.formats.geometry import affine_from, spatial_shape
from medbench.imaging.formats.stored import Header, Stored

_MODALITY, _DESCRIPTION, _POSITION = "0008|0060", "0008|103e", "0020|0032"
_INTERCEPT, _SLOPE, _BITS, _SIGNED = "0028|1052", "0028|1053", "0028|0100", "0028|0103"
_SPACING_TOLERANCE = 0.05  # share of the slice distance; a missing slice deviates by 1.0
_STDERR = 2
_OTHER_MODALITIES = {"MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "SEG", "RTDOSE", "RTSTRUCT"}


def is_dicom(path: Path) -> bool:
    """Return whether a file carries the DICOM mark (no pixel is read)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" and path.name.upper() != "DICOMDIR"


def open_dicom(folder: Path) -> Stored:
    """Open the one DICOM series that lies directly in a folder: slices sorted by position, rescaled to HU.

    Every slice's header is read.

    Raises:
        DataError: no series, or several.
        FormatError: headers that cannot be read, or that make no volume; when read, slices that cannot be decoded.
        GeometryError: slices are missing, doubled or unevenly spaced.
        IntensityError: the series is of another modality than CT.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    with _quiet(sitk):
        files = _one_series(sitk, folder)
        header = _header(folder, [_slice(sitk, file) for file in files])

    def read() -> np.ndarray:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        reader.SetOutputPixelType(sitk.sitkFloat32)  # rescale slopes may be fractions and differ between slices
        try:
            with _quiet(sitk):
                voxels: np.ndarray = sitk.GetArrayFromImage(reader.Execute()).T
        except RuntimeError as error:
            raise _no_volume(folder, len(files)) from error
        if voxels.shape != header.shape:
            raise _no_volume(folder, len(files))
        return voxels

    return Stored(header, read)


def _header(folder: Path, slices: list[Any]) -> Header:
    first = slices[0]
    modality = _tag(first, _MODALITY)
    if modality in _OTHER_MODALITIES:
        raise IntensityError(
            f"{folder}: the series has modality {modality}, which has no Hounsfield units: give a CT series"
        )
    if any(other.GetSize() != first.GetSize() for other in slices):
        raise _no_volume(folder, len(slices))
    columns, rows, frames = first.GetSize()
    shape = spatial_shape(folder, (columns, rows, frames * len(slices)))
    directions, spacing = np.reshape(first.GetDirection(), (3, 3)), np.asarray(first.GetSpacing())
    if len(slices) > 1:
        step = _slice_step(folder, slices, np.cross(directions[:, 0], directions[:, 1]))
        directions[:, 2], spacing[2] = step, 1.0
    affine = affine_from(folder, directions, spacing, first.GetOrigin())
    bits, signed = _number(folder, first, _BITS, 16), _number(folder, first, _SIGNED, 0)
    dtype = np.dtype(f"{'i' if signed else 'u'}{next((size for size in (1, 2, 4) if bits <= 8 * size), 8)}")
    scaled = any((_number(folder, one, _SLOPE, 1), _number(folder, one, _INTERCEPT, 0)) != (1, 0) for one in slices)
    return Header(shape, affine, dtype, scaled)


def _no_volume(folder: Path, count: int) -> FormatError:
    return FormatError(
        f"{folder}: the {count} slices cannot be read as one volume (damaged, or of different sizes): "
        "export the series again"
    )


def _tag(slice_: Any, tag: str) -> str:
    return slice_.GetMetaData(tag).strip() if slice_.HasMetaDataKey(tag) else ""


def _number(folder: Path, slice_: Any, tag: str, default: float) -> float:
    text = _tag(slice_, tag) or str(default)
    try:
        return float(text)
    except ValueError as error:
        raise FormatError(f"{folder}: '{text[:40]}' in tag {tag} is not a number: export the series again") from error


def _one_series(sitk: Any, folder: Path) -> list[str]:
    identifiers = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not identifiers:
        raise DataError(
            f"{folder}: no DICOM series lies directly in this folder: give the folder that holds its slices"
        )
    series = [list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)) for uid in identifiers]
    if len(series) > 1:
        found = "; ".join(
            f"{_tag(_slice(sitk, files[0]), _DESCRIPTION) or 'no description'} ({len(files)} files, {uid})"
            for uid, files in zip(identifiers, series)
        )
        raise DataError(f"{folder}: {len(series)} DICOM series in one folder: {found}: move each into its own folder")
    return series[0]


def _slice(sitk: Any, file: str) -> Any:
    """Return ITK's reader of a file, which has read its header: geometry (LPS, mm) and tags, no pixel."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.SetImageIO("GDCMImageIO")
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise FormatError(f"{file}: this DICOM file cannot be read: export the series again") from error
    return reader


def _slice_step(folder: Path, slices: list[Any], normal: np.ndarray) -> np.ndarray:
    """Return the vector (LPS, mm) from one slice to the next; it leaves the normal where the gantry was tilted."""
    try:
        positions = np.array([[float(value) for value in _tag(one, _POSITION).split("\\")] for one in slices])
    except ValueError as error:
        raise GeometryError(f"{folder}: slices without a position (0020,0032): export the series again") from error
    distances = np.diff(positions @ normal)
    usual = float(np.median(distances))
    uneven = np.abs(distances - usual) > _SPACING_TOLERANCE * abs(usual)
    if usual == 0 or np.any(uneven):
        at = int(np.argmax(uneven))
        raise GeometryError(
            f"{folder}: slices are missing, doubled or unevenly spaced: {distances[at]:.3f} mm after slice {at + 1} of "
            f"{len(slices)}, usually {usual:.3f} mm: export the series complete"
        )
    step: np.ndarray = (positions[-1] - positions[0]) / (len(positions) - 1)
    return step


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
