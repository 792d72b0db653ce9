"""Working copies of volumes for memorization, their correlation voxel by voxel, and the encoder's recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medbench.metrics.evidence import Derivation

if TYPE_CHECKING:
    from medbench.imaging.volume import Volume
    from medbench.spec import Protocol, Window

LONGEST_AXIS = 64
LARGEST_SHIFT = 4
_SLAB_VOXELS = 2**22


@dataclass(frozen=True)
class Recipe:
    """How the encoder is trained.

    Args:
        steps: optimiser steps.
        batch: volumes a step, two views of each.
        rate: highest learning rate.
        temperature: of NT-Xent.
        dimension: of the embedding.
        seed: of initial weights, batches and views.
    """

    steps: int = 300
    batch: int = 16
    rate: float = 3e-3
    temperature: float = 0.2
    dimension: int = 32
    seed: int = 0


def of_volumes(protocol: Protocol) -> Derivation:
    """Return what is derived of each volume: ``copy``, see ``working_copy``."""
    settings = {"version": 1, "window": protocol.window.model_dump(mode="json")}
    return Derivation("working-copies", partial(_of_volume, window=protocol.window), ("volume",), settings)


def _of_volume(volume: Volume, *, window: Window) -> dict[str, np.ndarray]:
    return {"copy": working_copy(volume.voxels, window=window)}


def working_copy(hu: np.ndarray, *, window: Window) -> np.ndarray:
    """Return a volume in -1..1, averaged down to at most 64 voxels along each axis.

    Args:
        hu: (x, y, z) Hounsfield units.
        window: HU are clipped to it first.

    Returns:
        (x', y', z') float16; an axis of 64 voxels or fewer keeps its length.
    """
    # In slabs, since sums in double precision of a whole volume would take more memory than all else in the pass.
    slabs = np.array_split(hu, min(hu.shape[1], 1 + hu.size // _SLAB_VOXELS), axis=1)
    averaged = np.concatenate([_averaged(window.scale(slab.astype(np.float32)), 0) for slab in slabs], axis=1)
    for axis in (1, 2):
        averaged = _averaged(averaged, axis)
    found: np.ndarray = averaged.astype(np.float16)
    return found


def _averaged(voxels: np.ndarray, axis: int) -> np.ndarray:
    """Return area means along an axis: each new voxel is the mean of what it covers, parts of voxels included."""
    length = voxels.shape[axis]
    if length <= LONGEST_AXIS:
        return voxels
    edges = np.linspace(0.0, length, LONGEST_AXIS + 1)
    total = np.concatenate([np.zeros_like(voxels.take([0], axis)), np.cumsum(voxels, axis, dtype=np.float64)], axis)
    lower = np.minimum(edges.astype(int), length - 1)
    shape = [-1 if other == axis else 1 for other in range(voxels.ndim)]
    part = (edges - lower).reshape(shape)
    at_edges = total.take(lower, axis) * (1.0 - part) + total.take(lower + 1, axis) * part
    means: np.ndarray = np.diff(at_edges, axis=axis) * (LONGEST_AXIS / length)
    return means


def best_shift(first: np.ndarray, second: np.ndarray) -> tuple[int, int, int]:
    """Return the shift s for which first[x + s] is most like second[x], by the peak of the circular cross-correlation.

    Args:
        first: (x, y, z).
        second: likewise, of the same shape.

    Returns:
        whole voxels along each axis, at most 4 and less than a quarter of the axis.
    """
    from scipy import fft

    a, b = (volume.astype(np.float32) - volume.mean(dtype=np.float32) for volume in (first, second))
    correlation = fft.irfftn(fft.rfftn(a) * np.conj(fft.rfftn(b)), s=a.shape)
    ranges = [np.arange(-most, most + 1) for most in (min(LARGEST_SHIFT, (length - 1) // 4) for length in a.shape)]
    small = correlation[np.ix_(*ranges)]
    peak = np.unravel_index(int(small.argmax()), small.shape)
    x, y, z = (int(steps[index]) for steps, index in zip(ranges, peak))
    return x, y, z


def aligned_ncc(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two volumes' voxels after the best small shift, over what then overlaps.

    Args:
        first: (x, y, z).
        second: likewise, of the same shape.

    Returns:
        -1..1; 0 where one of them is constant over the overlap.
    """
    shift = best_shift(first, second)
    return _correlation(first[tuple(_part(s) for s in shift)], second[tuple(_part(-s) for s in shift)])


def _part(shift: int) -> slice:
    return slice(shift, None) if shift >= 0 else slice(None, shift)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    x, y = (values.astype(np.float64).ravel() - values.mean(dtype=np.float64) for values in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y / scale) if scale > 0 else 0.0
