from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from medbench.errors import DataError, FormatError, GeometryError, IntensityError
from medbench.imaging.formats import read_header, read_image

ROWS, COLUMNS, SLICES = 12, 10, 6


@pytest.fixture(autouse=True)
def nothing_else_is_printed(capfd):
    yield
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def stored_pixels():
    """(z, row, column) uint16 as a scanner stores them: HU + 1024."""
    return np.random.default_rng(0).integers(0, 3000, (SLICES, ROWS, COLUMNS)).astype(np.uint16)


def write_series(
    folder, *, uid="1", modality="CT", slope="1", intercept="-1024", tilt=0.0, keep=range(SLICES), description=""
):
    """Write a series whose file names run against the slices' positions."""
    folder.mkdir(exist_ok=True)
    series = generate_uid(entropy_srcs=[uid])
    for index in keep:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[uid, str(index)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{uid}-IM{SLICES - index}"
        slice_ = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = generate_uid(entropy_srcs=["study"]), series
        slice_.Modality, slice_.SeriesDescription, slice_.InstanceNumber = modality, description, SLICES - index
        slice_.PatientID, slice_.PatientName = "p", "p"
        slice_.ImagePositionPatient = [-100.5, -80 + tilt * index, 40 + 2.5 * index]
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.PixelSpacing = [0.8, 0.7]  # between rows, between columns
        slice_.RescaleSlope, slice_.RescaleIntercept = slope, intercept
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.Rows, slice_.Columns = ROWS, COLUMNS
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 0
        slice_.PixelData = stored_pixels()[index].tobytes()
        slice_.save_as(path, enforce_file_format=True)
    return folder


def expected(slope=1.0, intercept=-1024.0):
    """(x, y, z) in RAS: columns run to the Left and rows to Posterior, so both flip."""
    return (stored_pixels() * slope + intercept).transpose(2, 1, 0)[::-1, ::-1]


def refusal(folder, kind):
    with pytest.raises(DataError) as caught:
        read_image(folder)
    assert caught.type is kind, caught.value
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_series_is_sorted_by_position_rescaled_and_turned_to_ras(tmp_path):
    voxels, affine = read_image(write_series(tmp_path / "s"))
    assert voxels.dtype == np.int16
    np.testing.assert_array_equal(voxels, expected())
    origin = (100.5 - 9 * 0.7, 80 - 11 * 0.8, 40)
    np.testing.assert_allclose(affine, [[0.7, 0, 0, origin[0]], [0, 0.8, 0, origin[1]], [0, 0, 2.5, 40], [0, 0, 0, 1]])


def test_a_fractional_rescale_slope_keeps_its_fractions(tmp_path):
    voxels, _ = read_image(write_series(tmp_path / "s", slope="0.5", intercept="-1000"))
    assert voxels.dtype == np.float32
    np.testing.assert_allclose(voxels, expected(0.5, -1000))


def test_rle_compression(tmp_path):
    folder = write_series(tmp_path / "s")
    for path in folder.iterdir():
        slice_ = pydicom.dcmread(path)
        slice_.compress(RLELossless, generate_instance_uid=False)
        slice_.save_as(path)
    np.testing.assert_array_equal(read_image(folder)[0], expected())


@pytest.mark.parametrize(
    ("compressor", "uid"), [("JPEG2000", "1.2.840.10008.1.2.4.90"), ("JPEG", "1.2.840.10008.1.2.4.70")]
)
def test_lossless_jpeg_compression(tmp_path, compressor, uid):
    for path in write_series(tmp_path / "plain").iterdir():
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.SetFileName(tmp_path / f"{path.name}.dcm")
        writer.Execute(sitk.ReadImage(path, sitk.sitkInt16))
        assert pydicom.dcmread(tmp_path / f"{path.name}.dcm").file_meta.TransferSyntaxUID == uid
    np.testing.assert_array_equal(read_image(tmp_path)[0], expected())


@pytest.mark.parametrize(
    ("series", "scaled"), [({}, True), ({"intercept": "0"}, False), ({"slope": "0.5"}, True), ({"tilt": 0.6}, True)]
)
def test_the_slices_headers_tell_grid_and_storage(tmp_path, series, scaled):
    folder = write_series(tmp_path / "s", **series)
    header = read_header(folder)
    voxels, affine = read_image(folder)
    assert (header.shape, header.dtype.name, header.scaled) == (voxels.shape, "uint16", scaled)
    np.testing.assert_array_equal(header.affine, affine)


def test_signed_slices_are_told(tmp_path):
    folder = write_series(tmp_path / "s")
    for path in folder.iterdir():
        slice_ = pydicom.dcmread(path)
        slice_.PixelRepresentation = 1
        slice_.save_as(path)
    assert read_header(folder).dtype.name == "int16"


@pytest.mark.parametrize("damage", [{"modality": "MR"}, {"keep": (0, 1, 3, 4, 5)}, {"keep": [0]}])
def test_headers_alone_refuse_what_reading_refuses(tmp_path, damage):
    folder = write_series(tmp_path / "s", **damage)
    with pytest.raises(DataError) as by_header:
        read_header(folder)
    assert str(by_header.value) == refusal(folder, by_header.type)


def test_a_tilted_gantry_shears_the_affine_and_not_the_anatomy(tmp_path):
    _, affine = read_image(write_series(tmp_path / "s", tilt=0.6))
    np.testing.assert_allclose(affine[:3, 2], (0, -0.6, 2.5), atol=1e-6)


def test_a_folder_without_dicom(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert "no DICOM series" in refusal(tmp_path, DataError)


def test_several_series_are_listed(tmp_path):
    write_series(tmp_path / "s", uid="1", description="THORAX 1.0")
    write_series(tmp_path / "s", uid="2", description="SCOUT", keep=range(2))
    message = refusal(tmp_path / "s", DataError)
    assert "THORAX 1.0 (6 files" in message
    assert "SCOUT (2 files" in message


@pytest.mark.parametrize("keep", [(0, 1, 3, 4, 5), (0, 1, 2, 5)])
def test_missing_slices(tmp_path, keep):
    assert "missing" in refusal(write_series(tmp_path / "s", keep=keep), GeometryError)


def test_doubled_slices(tmp_path):
    folder = write_series(tmp_path / "s")
    slice_ = pydicom.dcmread(folder / "1-IM3")
    slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    slice_.save_as(folder / "again")
    assert "doubled" in refusal(folder, GeometryError)


def test_a_single_slice_is_no_volume(tmp_path):
    assert "2D" in refusal(write_series(tmp_path / "s", keep=[0]), FormatError)


def test_another_modality_has_no_hounsfield_units(tmp_path):
    assert "MR" in refusal(write_series(tmp_path / "s", modality="MR"), IntensityError)


@pytest.mark.parametrize("keep", [200, 700, -50])
def test_a_truncated_slice(tmp_path, keep):
    folder = write_series(tmp_path / "s")
    content = (folder / "1-IM3").read_bytes()
    (folder / "1-IM3").write_bytes(content[:keep])
    with pytest.raises(DataError):
        read_image(folder)


def test_slices_of_different_sizes(tmp_path):
    folder = write_series(tmp_path / "s")
    slice_ = pydicom.dcmread(folder / "1-IM3")
    slice_.Rows, slice_.PixelData = ROWS - 2, stored_pixels()[0, :-2].tobytes()
    slice_.save_as(folder / "1-IM3")
    refusal(folder, FormatError)


@pytest.mark.parametrize("keep", [0, 100, 200, 700, -50])
def test_a_truncated_first_slice_is_not_dropped(tmp_path, keep):
    folder = write_series(tmp_path / "s")
    first = folder / f"1-IM{SLICES}"  # the lowest
    first.write_bytes(first.read_bytes()[:keep])
    with pytest.raises(FormatError, match=first.name):
        read_image(folder)


@pytest.mark.parametrize("bits", [12, 16])
def test_monochrome1_changes_how_a_value_is_shown_not_the_value(tmp_path, write_slices, hounsfield, bits):
    def change(data, _):
        data.PhotometricInterpretation, data.BitsStored, data.HighBit = "MONOCHROME1", bits, bits - 1

    voxels, _ = read_image(write_slices(tmp_path / "s", change=change))
    np.testing.assert_array_equal(voxels[::-1, ::-1], hounsfield())


def test_slices_without_a_preamble_are_read(tmp_path, write_slices, hounsfield):
    voxels, _ = read_image(write_slices(tmp_path / "s", preamble=False))
    np.testing.assert_array_equal(voxels[::-1, ::-1], hounsfield())


@pytest.mark.parametrize("tag", ["RescaleIntercept", "RescaleSlope"])
def test_a_rescale_in_some_slices_only_is_refused(tmp_path, write_slices, tag):
    folder = write_slices(tmp_path / "s", change=lambda data, k: delattr(data, tag) if k % 2 else None)
    assert f"2 of 5 slices lack {tag}" in refusal(folder, IntensityError)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"RescaleType": "US"}, "its rescale type is US, not HU"),
        ({"RescaleIntercept": None}, "no slice has a RescaleIntercept"),
        ({"Modality": "OT"}, "its modality is OT"),
    ],
)
def test_what_makes_hu_doubtful_is_told(tmp_path, write_slices, change, said):
    def alter(data, _):
        for name, value in change.items():
            setattr(data, name, value)

    (finding,) = read_header(write_slices(tmp_path / "s", change=alter)).findings
    assert finding.severity == "warning" and said in finding.detail


def test_each_slices_own_rescale_counts(tmp_path, write_slices, hounsfield):
    def change(data, k):
        data.RescaleIntercept = str(-1024 - 100 * k)

    voxels, _ = read_image(write_slices(tmp_path / "s", change=change))
    np.testing.assert_array_equal(voxels[::-1, ::-1], hounsfield() - 100 * np.arange(5))


def test_an_enhanced_object_is_one_volume(tmp_path, write_enhanced, write_slices, hounsfield):
    voxels, affine = read_image(write_enhanced(tmp_path / "e/image.dcm").parent)
    np.testing.assert_array_equal(voxels[::-1, ::-1], hounsfield())
    np.testing.assert_allclose(affine, read_image(write_slices(tmp_path / "s"))[1])


def test_frames_have_their_own_rescale_and_order(tmp_path, write_enhanced, hounsfield):
    def rescale(k):
        return 1.0, -1024.0 - k

    path = write_enhanced(tmp_path / "a.dcm", rescale=rescale, order=[3, 1, 0, 4, 2])
    np.testing.assert_array_equal(read_image(path)[0][::-1, ::-1], hounsfield())


def test_a_missing_frame_is_told(tmp_path, write_enhanced):
    path = write_enhanced(tmp_path / "a.dcm", order=[0, 1, 3, 4])
    assert "missing" in refusal(path, GeometryError)


def test_a_header_that_claims_too_much_is_refused_before_any_pixel(tmp_path, write_slices, monkeypatch):
    monkeypatch.setenv("MEDBENCH_MAX_VOLUME_GIB", "1e-7")
    assert "MEDBENCH_MAX_VOLUME_GIB" in refusal(write_slices(tmp_path / "s"), FormatError)
