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
from medbench.formats.geometry import LPS_TO_RAS, affine_from, check_affine, check_spacing, spatial_shape
from medbench.formats.stored import Stored

_MODALITY, _DESCRIPTION, _POSITION = "0008|0060", "0008|103e", "0020|0032"
_SPACING_TOLERANCE = 0.05  # share of the slice distance; a missing slice deviates by 1.0
_STDERR = 2
_OTHER_MODALITIES = {"MR", "PT", "NM", "US", "CR", "DX", "MG", "XA", "SEG", "RTDOSE", "RTSTRUCT"}


def is_dicom(path: Path) -> bool:
    """Return whether a file carries the DICOM mark (no pixel is read)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" and path.name.upper() != "DICOMDIR"


def read_dicom(folder: Path) -> Stored:
    """Read the one DICOM series that lies directly in a folder, slices sorted by position, rescaled to HU.

    Raises:
        DataError: no series, or several.
        FormatError: slices that cannot be decoded as one volume.
        GeometryError: slices are missing, doubled or unevenly spaced.
        IntensityError: the series is of another modality than CT.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # its functions carry no types
    with _quiet(sitk):
        files = _one_series(sitk, folder)
        headers = [_header(sitk, Path(file)) for file in files]
        modality = headers[0].get(_MODALITY, "")
        if modality in _OTHER_MODALITIES:
            raise IntensityError(
                f"{folder}: the series has modality {modality}, which has no Hounsfield units: give a CT series"
            )
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(files)
        reader.SetOutputPixelType(sitk.sitkFloat32)  # rescale slopes may be fractions and differ between slices
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise FormatError(
                f"{folder}: the {len(files)} slices cannot be read as one volume (damaged, or of different sizes): "
                "export the series again"
            ) from error
    voxels = sitk.GetArrayFromImage(image).T
    spatial_shape(folder, voxels.shape)
    check_spacing(folder, image.GetSpacing())
    directions = np.reshape(image.GetDirection(), (3, 3))
    affine = affine_from(directions, np.asarray(image.GetSpacing()), np.asarray(image.GetOrigin()))
    if len(files) > 1:
        affine[:3, 2] = _slice_step(folder, headers, normal=np.cross(directions[:, 0], directions[:, 1]))
    check_affine(folder, LPS_TO_RAS @ affine)
    return Stored(voxels, LPS_TO_RAS @ affine)


def _one_series(sitk: Any, folder: Path) -> list[str]:
    identifiers = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not identifiers:
        raise DataError(
            f"{folder}: no DICOM series lies directly in this folder: give the folder that holds its slices"
        )
    series = [list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)) for uid in identifiers]
    if len(series) > 1:
        found = "; ".join(
            f"{_header(sitk, Path(files[0])).get(_DESCRIPTION) or 'no description'} ({len(files)} files, {uid})"
            for uid, files in zip(identifiers, series)
        )
        raise DataError(f"{folder}: {len(series)} DICOM series in one folder: {found}: move each into its own folder")
    return series[0]


def _header(sitk: Any, path: Path) -> dict[str, str]:
    """Return the tags used here that a file has; no pixel is read."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise FormatError(f"{path}: this DICOM file cannot be read: export the series again") from error
    tags = (_MODALITY, _DESCRIPTION, _POSITION)
    return {tag: reader.GetMetaData(tag).strip() for tag in tags if reader.HasMetaDataKey(tag)}


def _slice_step(folder: Path, headers: list[dict[str, str]], *, normal: np.ndarray) -> np.ndarray:
    """Return the vector (LPS, mm) from one slice to the next; it leaves the normal where the gantry was tilted."""
    try:
        positions = np.array([[float(value) for value in header[_POSITION].split("\\")] for header in headers])
    except (KeyError, ValueError) as error:
        raise GeometryError(f"{folder}: slices without a position (0020,0032): export the series again") from error
    heights = positions @ normal
    distances = np.diff(heights)
    usual = float(np.median(distances))
    uneven = np.abs(distances - usual) > _SPACING_TOLERANCE * abs(usual)
    if usual == 0 or np.any(uneven):
        at = int(np.argmax(uneven))
        raise GeometryError(
            f"{folder}: slices are missing, doubled or unevenly spaced: {distances[at]:.3f} mm after slice {at + 1} of "
            f"{len(headers)}, usually {usual:.3f} mm: export the series complete"
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
