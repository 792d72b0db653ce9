"""Rows of ``medbench data verify``: what was looked at, whether it holds, what to do if not. Only headers are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medbench.dataset import Check
from medbench.errors import DataError, FormatError, MedbenchError
from medbench.formats.geometry import LPS_TO_RAS, affine_from, check_affine, check_spacing, spatial_shape
from medbench.volume import Volume

_METAIMAGE_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_FAULTS_SHOWN = 20


def row(check: str, ok: bool, detail: str, mend: str = "") -> Check:
    """Return one row; ``mend`` is empty where all is well."""
    return {"check": check, "ok": ok, "detail": detail, "mend": "" if ok else mend}


def failure(check: str, error: MedbenchError) -> Check:
    """Return the row of an error, whose message ends in its mend."""
    detail, _, mend = str(error).rpartition(": ")
    return row(check, False, detail or mend, mend)


def header_rows(volumes: Iterable[Path], masks: Mapping[Path, Path] | None = None) -> list[Check]:
    """Check every volume's header and, where it has a mask, that both have one grid.

    Args:
        volumes: the volumes.
        masks: mask by volume.

    Returns:
        One row for all headers and one for all masks, then a row for each of the first 20 faults.
    """
    masks = masks or {}
    faults: list[Check] = []
    seen = seen_masks = bad_masks = 0
    for path in volumes:
        seen += 1
        mask = masks.get(path)
        seen_masks += mask is not None
        try:
            shape, affine = read_grid(path)
            if mask is None:
                continue
            mask_shape, mask_affine = read_grid(mask)
        except DataError as error:
            faults.append(failure(path.name, error))
            continue
        if shape != mask_shape or not np.allclose(affine, mask_affine, rtol=0, atol=1e-3):
            bad_masks += 1
            faults.append(row(str(mask), False, f"not on the grid of {path}", "resample the mask to its volume"))
    damaged = len(faults) - bad_masks
    rows = [row("headers", not damaged, f"{seen - damaged} of {seen} are sound", "see the rows below")]
    if seen_masks:
        fitting = f"{seen_masks - bad_masks} of {seen_masks} are on their volume's grid"
        rows.append(row("masks", not bad_masks, fitting, "see the rows below"))
    return rows + faults[:_FAULTS_SHOWN]


def read_grid(path: Path) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return the shape and affine that ``Volume.read`` would give, from the header alone (a DICOM series is read).

    Raises:
        DataError: the header is damaged, or a data file beside it is missing or has another size than it says.
    """
    if path.is_dir():
        volume = Volume.read(path)
        return volume.shape, volume.affine
    name = path.name.lower()
    shape, affine = _nifti(path) if name.endswith((".nii", ".nii.gz")) else _itk(path)
    if name.endswith(".mhd"):
        check_data_file(path)
    check_affine(path, affine)
    return _turned(spatial_shape(path, shape), affine)


def _nifti(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    nib: Any = nibabel
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError) as error:
        raise FormatError(f"{path} has no readable header ({error}): copy or export it again") from error
    check_spacing(path, image.header["pixdim"][1:4])
    return image.shape, np.asarray(image.affine, dtype=np.float64)


def _itk(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    import SimpleITK

    sitk: Any = SimpleITK
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise FormatError(f"{path} has no readable header: copy or export it again") from error
    dimension = reader.GetDimension()
    if dimension != 3:
        return reader.GetSize(), np.eye(4)
    check_spacing(path, reader.GetSpacing())
    directions = np.reshape(reader.GetDirection(), (3, 3))
    return reader.GetSize(), LPS_TO_RAS @ affine_from(directions, reader.GetSpacing(), reader.GetOrigin())


def check_data_file(path: Path) -> None:
    """Hold the size of a MetaImage's data file against what its header promises; a compressed one must be there.

    Raises:
        DataError: the data file is absent or has another size.
    """
    lines = path.read_text(encoding="latin-1").splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    name = fields.get("ElementDataFile", "")
    if name.upper() in ("", "LOCAL", "LIST"):
        return
    data = path.parent / name
    if not data.is_file():
        raise DataError(f"{path}: its data file {name} is missing: put it into {path.parent}")
    each = _METAIMAGE_BYTES.get(fields.get("ElementType", "").removeprefix("MET_"))
    if each is None or fields.get("CompressedData", "False").lower() == "true":
        return
    promised = each * int(np.prod([int(size) for size in fields["DimSize"].split()]))
    if data.stat().st_size != promised + max(0, int(fields.get("HeaderSize", "0"))):
        found = data.stat().st_size
        raise FormatError(f"{data} has {found} bytes in place of {promised}: copy or fetch it again")


def _turned(shape: tuple[int, int, int], affine: np.ndarray) -> tuple[tuple[int, int, int], np.ndarray]:
    """Turn a grid's axes to RAS, as ``formats.geometry.to_ras`` turns voxels."""
    import nibabel.orientations

    turning: Any = nibabel.orientations
    orientation = turning.io_orientation(affine)
    x, y, z = (shape[int(np.flatnonzero(orientation[:, 0] == axis)[0])] for axis in range(3))
    return (x, y, z), affine @ turning.inv_ornt_aff(orientation, shape)
