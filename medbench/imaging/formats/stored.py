"""Voxels as they lie on disk: how many bytes may be believed, reading them, and their values as HU."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from isal import isal_zlib

from medbench.errors import FormatError, IntensityError, SpecError
from medbench.imaging.findings import Finding

_GIB = 2**30
_LARGEST_GIB = 8.0  # 1024 x 1024 x 4096 voxels of int16: more than any CT scanner writes
_LIMIT = "MEDBENCH_MAX_VOLUME_GIB"
# Deflate cannot pack tighter than 1032:1 (zlib's technical notes), so a larger claim is false.
DEFLATE_RATIO = 1032
_ISAL_ERROR: Any = isal_zlib.error  # its stub calls the class an instance
DAMAGE: tuple[type[Exception], ...] = (EOFError, zlib.error, _ISAL_ERROR, gzip.BadGzipFile)
"""What readers of packed data raise where these are damaged or end early."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says about its image; no voxel is read for it.

    Args:
        shape: voxels along each axis.
        affine: (4, 4) float64, voxel index to RAS+ mm.
        dtype: of the voxels on disk, before any scaling.
        scaled: whether a slope or an intercept turns what is stored into HU.
        orientation_stored: False where left and right are an assumption; only NIfTI files can keep silent (sform and
            qform codes both 0).
        findings: what the file says that may mislead, and what was accepted with a tolerance.
        stored_affine: (4, 4), ``affine`` before the axes were turned to RAS+; None where nothing was turned.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    dtype: np.dtype
    scaled: bool = False
    orientation_stored: bool = True
    findings: tuple[Finding, ...] = ()
    stored_affine: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the voxels take."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Stored:
    """An image as a file holds it.

    Args:
        header: what it says about its image.
        read: returns the voxels, (i, j, k), any real type, any memory order.
        slope: HU = slope * voxel + intercept.
        intercept: see ``slope``.
    """

    header: Header
    read: Callable[[], np.ndarray]
    slope: float = 1.0
    intercept: float = 0.0


def most_bytes() -> int:
    """Return how many bytes of voxels a file may claim: 8 GiB, or what ``MEDBENCH_MAX_VOLUME_GIB`` says.

    Raises:
        SpecError: the variable is no positive number.
    """
    told = os.environ.get(_LIMIT, "")
    try:
        limit = float(told or _LARGEST_GIB)
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise SpecError(f"{_LIMIT} is '{told}': set it to a number of GiB, like 16")
    return int(limit * _GIB)


def check_limit(path: Path, claimed: int) -> None:
    """Refuse a header that claims more bytes of voxels than ``most_bytes``.

    Raises:
        FormatError: it does.
    """
    if claimed > (most := most_bytes()):
        raise FormatError(
            f"{path}: the header claims {claimed} bytes of voxels, at most {most} are read: export it again, or "
            f"allow more GiB with {_LIMIT}"
        )


def check_claim(path: Path, *, claimed: int, stored: int, compressed: bool) -> None:
    """Refuse a header that claims more bytes than its file can keep, before anything is allocated.

    Args:
        path: the file named in the message.
        claimed: bytes of voxels.
        stored: bytes on disk, perhaps ``compressed``.

    Raises:
        FormatError: the claim is implausible.
    """
    check_limit(path, claimed)
    possible = DEFLATE_RATIO * stored if compressed else stored
    if claimed > possible:
        kind = " compressed" if compressed else ""
        raise FormatError(
            f"{path}: truncated or damaged: the header promises {claimed} bytes, found {stored}{kind} bytes: "
            "copy or export it again"
        )


def read_voxels(path: Path, stream: IO[bytes], header: Header, *, start: int | None = None) -> np.ndarray:
    """Read an array whose first axis runs fastest, as in NIfTI, MetaImage and NRRD.

    Args:
        path: the file named in the message.
        stream: positioned at the first voxel, or ``start`` says where that lies.
        header: shape and type of the voxels.
        start: byte of the (unpacked) stream at which the voxels begin; None for where it stands.

    Returns:
        Read-only array of the header's shape.

    Raises:
        FormatError: fewer bytes than expected, or a damaged compressed stream.
    """
    try:
        if start is not None:
            stream.seek(start)
        data = stream.read(header.nbytes)
        stream.read(1)  # reaching the end of the stream is what makes gzip verify its checksum
    except DAMAGE as error:
        raise FormatError(
            f"{path}: truncated or damaged (its compressed data end early): copy or export it again"
        ) from error
    if len(data) != header.nbytes:
        raise FormatError(
            f"{path}: truncated: expected {header.nbytes} bytes of voxels, found {len(data)}: copy it again"
        )
    return np.frombuffer(data, dtype=header.dtype).reshape(header.shape, order="F")


def hounsfield(path: Path, stored: Stored) -> np.ndarray:
    """Read a stored image's voxels and return them in HU; the message names ``path``.

    Returns:
        (i, j, k) int16 where every value is an integer within int16, else float32; perhaps read-only.

    Raises:
        IntensityError: NaN or infinite voxels.
    """
    voxels, limits = stored.read(), np.iinfo(np.int16)
    scaled = (stored.slope, stored.intercept) != (1.0, 0.0)
    if voxels.dtype.kind in "iu" and not scaled:
        fits = voxels.dtype == np.int16 or (limits.min <= voxels.min() and voxels.max() <= limits.max)
        return voxels.astype(np.int16 if fits else np.float32, copy=False)
    values = np.empty(voxels.shape, dtype=np.float32, order="F")
    whole, bad = True, 0
    for index in range(voxels.shape[2]):  # slice by slice: float64 of a whole volume would be four times its size
        plane = voxels[..., index].astype(np.float64)
        if scaled:
            plane = plane * stored.slope + stored.intercept
        bad += plane.size - int(np.count_nonzero(np.isfinite(plane)))
        fits = limits.min <= plane.min() and plane.max() <= limits.max and np.array_equal(np.rint(plane), plane)
        whole = whole and not bad and bool(fits)
        values[..., index] = plane
        bad += int(np.count_nonzero(np.isfinite(plane) & ~np.isfinite(values[..., index])))  # beyond float32
    if bad:
        raise IntensityError(
            f"{path}: {bad} of {values.size} voxels are NaN or infinite: fill them with a HU value (air is -1000)"
        )
    return values.astype(np.int16) if whole else values
