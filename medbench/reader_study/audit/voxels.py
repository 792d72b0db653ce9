"""Traces in the voxels that are no anatomy: range, rounding, borders, noise, up-sampling, the grid of a decoder.

Each is a number of one volume. A trace that tells the source is a finding about the model or about the processing: a
packet reports it and does not hide it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

_OFFSET: Final = 32768
_TISSUE_HU: Final = (-100, 200)
_PERIODS: Final = (2, 4, 8, 16)
_AXES: Final = "xyz"

_CONVENTION = "processing: --hu-range and --background of 'study create' give all cases one"
_ROUNDING = "processing: round to the nearest HU once, from floating point, when the volumes are written"
_BORDER = "processing: crop the border with a smaller --shape, or mend the padding where the volumes are made"
_MODEL = "the model's own, unless the cases came on different grids; it is part of what is judged"
_DECODER = "the model's own (its decoder or its patches), unless the cases came on different grids"

MENDS: Final[Mapping[str, str]] = {
    "lowest HU": _CONVENTION,
    "share at the lowest HU": _CONVENTION,
    "highest HU": _CONVENTION,
    "share at the highest HU": _CONVENTION,
    "most common HU": _CONVENTION,
    "HU of the border": _CONVENTION,
    "missing HU (comb)": _ROUNDING,
    "share of odd HU": _ROUNDING,
    "excess at 0 HU": _ROUNDING,
    **{f"jump at the {end} {axis} border": _BORDER for axis in _AXES for end in ("first", "last")},
    "noise in soft tissue": _MODEL,
    "sharpness along z over in-plane": _MODEL,
    "correlation of neighbouring slices": _MODEL,
    **{f"grid of {period} voxels along {axis}": _DECODER for axis in _AXES for period in _PERIODS},
}
"""Each trace, whose it is, and how it can be mended."""


def voxel_facts(voxels: np.ndarray) -> dict[str, float]:
    """Return the traces of one volume, by the names of ``MENDS``.

    Args:
        voxels: (x, y, z) int16 HU, three voxels or more along each axis.
    """
    return {**_values(voxels), **_borders(voxels), **_texture(voxels)}


def _values(voxels: np.ndarray) -> dict[str, float]:
    counts = np.zeros(2 * _OFFSET, np.int64)
    for index in range(voxels.shape[2]):  # a whole volume as int64 would be four times its size
        counts += np.bincount(voxels[..., index].ravel().astype(np.int32) + _OFFSET, minlength=len(counts))
    present = np.flatnonzero(counts)
    low, high, total = present[0], present[-1], voxels.size
    faces = [voxels[side] for side in (0, -1)] + [voxels[:, side] for side in (0, -1)]
    border = np.bincount(np.concatenate([face.ravel() for face in faces]).astype(np.int32) + _OFFSET)
    return {
        "lowest HU": float(low - _OFFSET),
        "share at the lowest HU": float(counts[low] / total),
        "highest HU": float(high - _OFFSET),
        "share at the highest HU": float(counts[high] / total),
        "most common HU": float(counts.argmax() - _OFFSET),
        "HU of the border": float(border.argmax() - _OFFSET),
        **_rounding(counts),
    }


def _rounding(counts: np.ndarray) -> dict[str, float]:
    """Return the marks of rounding in a histogram: bins that stay empty among full ones, parity, a doubled zero."""
    share = np.cumsum(counts) / counts.sum()
    inner = counts[np.searchsorted(share, 0.02) + 1 : np.searchsorted(share, 0.98)].astype(np.float64)
    around = np.convolve(inner, np.ones(9) / 9, mode="same") if len(inner) >= 9 else inner
    odd = int(counts[1::2].sum() - (counts.max() if counts.argmax() % 2 else 0))
    even = int(counts[::2].sum() - (0 if counts.argmax() % 2 else counts.max()))
    zero = counts[_OFFSET - 2 : _OFFSET + 3]
    return {
        "missing HU (comb)": float(np.mean(inner < 0.2 * around)) if len(inner) else 0.0,
        "share of odd HU": odd / max(odd + even, 1),
        "excess at 0 HU": float((zero[2] + 1) / ((zero.sum() - zero[2]) / 4 + 1)),
    }


def _borders(voxels: np.ndarray) -> dict[str, float]:
    """Return how much each outermost plane differs from the next one, over how much that differs from the third."""
    found = {}
    for number, axis in enumerate(_AXES):
        planes = np.moveaxis(voxels, number, 0)
        for end, (first, second, third) in (("first", planes[:3]), ("last", planes[-1:-4:-1])):
            jump, usual = (np.abs(a.astype(np.int32) - b).mean() for a, b in ((first, second), (second, third)))
            found[f"jump at the {end} {axis} border"] = float(np.log((jump + 1) / (usual + 1)))
    return found


def _texture(voxels: np.ndarray) -> dict[str, float]:
    """Return noise, sharpness along z, and periodic traces, from second differences slice by slice."""
    nx, ny, nz = voxels.shape
    profiles = [np.zeros(nx - 2), np.zeros(ny - 2), np.zeros(nz - 2)]
    noise, step, correlations = [], np.zeros(2), []
    for index in range(nz):
        here = voxels[..., index].astype(np.float32)
        bends = [np.abs(np.diff(here, 2, axis=axis)) for axis in (0, 1)]
        profiles[0] += bends[0].mean(axis=1)
        profiles[1] += bends[1].mean(axis=0)
        centre = here[1:-1]
        noise.append(bends[0][(centre > _TISSUE_HU[0]) & (centre < _TISSUE_HU[1])][::3])
        if index + 1 < nz:
            above = voxels[..., index + 1].astype(np.float32)
            step += np.abs(above - here).mean(), np.abs(np.diff(here, axis=0)).mean()
            correlations.append(_correlation(here, above))
        if 0 < index < nz - 1:
            profiles[2][index - 1] = np.abs(above - 2 * here + voxels[..., index - 1]).mean()
    tissue = np.concatenate(noise)
    return {
        "noise in soft tissue": float(np.median(tissue)) if len(tissue) else 0.0,
        "sharpness along z over in-plane": float(step[0] / max(step[1], 1e-6)),
        "correlation of neighbouring slices": float(np.mean(correlations)),
        **{
            f"grid of {period} voxels along {axis}": _periodic(profile, period)
            for axis, profile in zip(_AXES, profiles)
            for period in _PERIODS
        },
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation; 1 where a slice is constant, as two slices of air are."""
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / spread) if spread else 1.0


def _periodic(profile: np.ndarray, period: int) -> float:
    """Return how much one phase of a period stands out of a profile, in the profile's mean; 0 where it is too short."""
    if len(profile) < 3 * period or not profile.any():
        return 0.0
    whole = profile[: len(profile) // period * period].reshape(-1, period)
    # Each period is set against its own mean, so that anatomy, which changes slowly, cancels.
    phases = (whole / np.maximum(whole.mean(axis=1, keepdims=True), 1e-6)).mean(axis=0)
    return float(phases.max() - phases.min())
