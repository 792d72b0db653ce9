"""DICOM objects as scanners, PACS and other software write them, of a small body in HU."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT, ENHANCED, CAPTURE, RTSTRUCT = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "7", "481.3"))
PIXEL_TAGS = ["PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]


def hounsfield(shape=(6, 7, 5), seed=0):
    """HU as a scanner's grid holds them: axes Left, Posterior, Superior."""
    return np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16)


def dataset(kind, series, number):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = kind
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.3.{series}.{number}"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.9", f"1.2.3.{series}"
    data.PatientName, data.PatientID, data.Modality, data.InstanceNumber = "P", "P", "CT", number
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    return data


def write_slices(folder, hu=None, *, series=1, first=0, heights=None, step=3.0, change=None, preamble=True):
    """Write HU as a CT series; ``change(dataset, slice)`` alters each file before it is written."""
    hu = hounsfield() if hu is None else hu
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(hu.shape[2]):
        data = dataset(CT, series, first + k + 1)
        height = step * (first + k) if heights is None else heights[k]
        data.ImagePositionPatient = ["-60", "-50", f"{height:.6g}"]
        data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        data.PixelSpacing, data.SliceThickness = ["2", "2"], str(step)
        data.Columns, data.Rows = hu.shape[:2]
        data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
        data.PixelData = (hu[..., k].astype(int) + 1024).T.astype("<u2").tobytes()
        if change is not None:
            change(data, k)
        path = folder / f"{first + k:04d}.dcm"
        if preamble:
            data.save_as(path, enforce_file_format=True)
        else:
            del data.file_meta
            pydicom.dcmwrite(path, data, implicit_vr=True, little_endian=True)
    return folder


def group(**fields):
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def write_enhanced(path, hu=None, *, series=1, rescale=None, order=None):
    """Write an enhanced object; ``rescale(frame)`` gives each frame's slope and intercept, ``order`` which and when."""
    hu = hounsfield() if hu is None else hu
    path.parent.mkdir(parents=True, exist_ok=True)
    data = dataset(ENHANCED, series, 1)
    data.Columns, data.Rows = hu.shape[:2]
    shared = Dataset()
    shared.PixelMeasuresSequence = group(PixelSpacing=["2", "2"], SliceThickness="3")
    shared.PlaneOrientationSequence = group(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])
    if rescale is None:
        shared.PixelValueTransformationSequence = group(RescaleIntercept="-1024", RescaleSlope="1", RescaleType="HU")
    frames, pixels = [], []
    for k in range(hu.shape[2]) if order is None else order:
        frame = Dataset()
        frame.PlanePositionSequence = group(ImagePositionPatient=["-60", "-50", str(3 * k)])
        frame.FrameContentSequence = group(StackID="1", InStackPositionNumber=k + 1)
        slope, intercept = (1.0, -1024.0) if rescale is None else rescale(k)
        if rescale is not None:
            frame.PixelValueTransformationSequence = group(
                RescaleIntercept=str(intercept), RescaleSlope=str(slope), RescaleType="HU"
            )
        frames.append(frame)
        pixels.append(np.rint((hu[..., k].astype(float) - intercept) / slope).T.astype("<u2"))
    data.NumberOfFrames = len(frames)
    data.SharedFunctionalGroupsSequence = pydicom.Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    data.PixelData = np.stack(pixels).tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def write_object(path, *, kind=RTSTRUCT, modality="RTSTRUCT", series=8, pixels=False):
    """Write one object of another kind, without pixels unless they are wanted."""

    def change(data, _):
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = kind
        data.Modality = modality
        for tag in () if pixels else PIXEL_TAGS:
            delattr(data, tag)

    write_slices(path, hounsfield((6, 7, 1)), series=series, change=change)
    return path / "0000.dcm"


@pytest.fixture(name="hounsfield")
def hounsfield_():
    return hounsfield


@pytest.fixture(name="write_slices")
def write_slices_():
    return write_slices


@pytest.fixture(name="write_enhanced")
def write_enhanced_():
    return write_enhanced


@pytest.fixture(name="write_object")
def write_object_():
    return write_object
