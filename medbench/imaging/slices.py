"""A volume cut into 2D slices along three planes, scaled to 0..1.

| plane | cut along | image axes | slices |
| --- | --- | --- | --- |
| xy | z | x, y | Z |
| yz | x | y, z | X |
| zx | y | x, z (not z, x) | Y |

The convention is that of MAISI's ``compute_fid_2-5d_ct.py`` (Project-MONAI/tutorials, commit b3c6c99).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medbench.errors import SpecError

if TYPE_CHECKING:
    from medbench.spec import Plane, SliceProtocol, Window

# Slice axis first, then the image axes.
_AXES: dict[Plane, tuple[int, int, int]] = {"xy": (2, 0, 1), "yz": (0, 1, 2), "zx": (1, 0, 2)}
_CHUNK_PIXELS = 2**22


def centre_range(slices: int, ratio: float | None) -> range:
    """Return the indices of the slices about the centre.

    Args:
        slices: number of slices along the axis.
        ratio: share that is kept, in (0, 1]; None keeps all.
    """
    if ratio is None:
        return range(slices)
    # This very expression in double precision: exact arithmetic differs by one for some sizes (0.4 of 90: 27..61).
    return range(int((1 - ratio) / 2 * slices), int((1 + ratio) / 2 * slices))


def slice_count(shape: Sequence[int], protocol: SliceProtocol) -> int:
    """Return how many slices of a volume (x, y, z) a protocol sees, over all planes."""
    return sum(len(centre_range(shape[_AXES[plane][0]], protocol.centre_ratio)) for plane in protocol.planes)


def plane_view(voxels: np.ndarray, plane: Plane) -> np.ndarray:
    """Return a view (slices, height, width) of voxels (x, y, z); nothing is copied."""
    return voxels.transpose(_AXES[plane])


def plane_slices(
    voxels: np.ndarray,
    plane: Plane,
    *,
    protocol: SliceProtocol,
    window: Window,
    chunk_pixels: int = _CHUNK_PIXELS,
) -> Iterator[np.ndarray]:
    """Yield a plane's slices in chunks, clipped to the window and scaled to 0..1.

    ``minmax_per_plane`` is MAISI's (v - min) / (max - min + 1e-10) with the extremes of all selected slices of this
    plane; ``minmax_per_slice`` takes those of each slice; ``window`` is (v - low) / width.

    Args:
        voxels: (x, y, z) HU, any number type.
        plane: which way to cut.
        protocol: centre ratio and normalisation.
        window: HU window.
        chunk_pixels: most pixels in a chunk; a chunk holds one slice at least.

    Yields:
        float32 (n, height, width) in 0..1.

    Raises:
        SpecError: the centre ratio leaves no slice.
    """
    kept = centre_range(voxels.shape[_AXES[plane][0]], protocol.centre_ratio)
    if not kept:
        raise SpecError(
            f"centre ratio {protocol.centre_ratio} leaves no {plane} slice of a volume {voxels.shape}: raise it"
        )
    selected = plane_view(voxels, plane)[kept.start : kept.stop]
    scale = _scaling(selected, protocol=protocol, window=window)
    step = max(1, chunk_pixels // (selected.shape[1] * selected.shape[2]))
    for start in range(0, len(selected), step):
        yield scale(selected[start : start + step].astype(np.float32).clip(window.low, window.high))


def _scaling(selected: np.ndarray, *, protocol: SliceProtocol, window: Window) -> Callable[[np.ndarray], np.ndarray]:
    """Return what maps clipped slices (n, height, width) to 0..1."""
    if protocol.normalisation == "minmax_per_slice":
        return lambda chunk: _minmax(
            chunk, chunk.min(axis=(1, 2), keepdims=True), chunk.max(axis=(1, 2), keepdims=True)
        )
    if protocol.normalisation == "window":
        low, width = np.float32(window.low), np.float32(window.width)
        return lambda chunk: (chunk - low) / width
    ends = np.array([selected.min(), selected.max()], dtype=np.float32).clip(window.low, window.high)
    return lambda chunk: _minmax(chunk, *ends)


def _minmax(chunk: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (chunk - low) / (high - low + np.float32(1e-10))
    return scaled
