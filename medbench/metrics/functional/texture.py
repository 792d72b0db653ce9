"""Texture of a volume: noise power spectrum of homogeneous regions, and how alike adjacent slices are.

Source: noise power spectrum NPS(f) = dx dy / (Nx Ny) · <|FFT(ROI - trend)|²>: ICRU Report 87; in patient images
Dolly et al. 2016, Journal of Applied Clinical Medical Physics 17(3). The rule for the regions of interest and the
statistic for stitched slices are ours.
"""

from __future__ import annotations

import numpy as np

MOST_ROIS = 16
FEWEST_ROIS = 4
_MOST_CANDIDATES = 256
_SOFT_TISSUE_HU = (-50.0, 400.0)
_LARGEST_STEP_HU = 40.0
_NEIGHBOURS = 2
_LEAST_SLACK = 1e-3
_FEWEST_PAIRS = 5
_BLOCK_SLICES = 16


def eroded(labels: np.ndarray) -> np.ndarray:
    """Return labels without the voxels that touch another label or the volume's edge by a face.

    What is left is free of partial volume, and of a segmentation's error of one voxel.

    Args:
        labels: (x, y, z) integers; 0 is background.

    Example:
        >>> int(eroded(np.ones((5, 5, 5), np.uint8)).sum())
        27
    """
    keep = np.ones(labels.shape, bool)
    for axis in range(labels.ndim):
        along, kept = np.moveaxis(labels, axis, 0), np.moveaxis(keep, axis, 0)  # views
        changes = along[1:] != along[:-1]
        kept[1:] &= ~changes
        kept[:-1] &= ~changes
        kept[0] = kept[-1] = False
    return np.where(keep, labels, 0)


def roi_side(shape: tuple[int, int, int]) -> int:
    """Return the side of the square regions of interest: the largest of 32, 16, 8 within 1/8 of the axial plane.

    Args:
        shape: of the volume; planes below 64 voxels have 8 all the same.

    Example:
        >>> roi_side((512, 512, 300)), roi_side((96, 96, 64))
        (32, 8)
    """
    return next((side for side in (32, 16) if side * 8 <= min(shape[:2])), 8)


def homogeneous_rois(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return axial squares of even tissue, without their linear trend.

    A square lies inside one region, its mean between -50 and 400 HU, and the means of its quadrants within 40 HU of
    each other once the trend is gone. At most 256 squares on a lattice of half a side are looked at and at most 16
    kept, evenly over slices, rows and columns.

    Args:
        hu: (x, y, z) Hounsfield units.
        inside: (x, y, z) eroded labels.

    Returns:
        (n, side, side) HU.

    Example:
        >>> hu = np.random.default_rng(0).normal(40.0, 10.0, (64, 64, 2))
        >>> homogeneous_rois(hu, np.ones(hu.shape, np.uint8)).shape
        (16, 8, 8)
    """
    side = roi_side(hu.shape)
    corners = _evenly(_corners(inside, side), _MOST_CANDIDATES)
    if not len(corners):
        return np.empty((0, side, side))
    rois = np.stack([hu[x : x + side, y : y + side, z] for x, y, z in corners]).astype(np.float64)
    means = rois.mean(axis=(1, 2))
    residuals = without_trend(rois)
    half = side // 2
    quadrants = residuals.reshape(-1, 2, half, 2, half).mean(axis=(2, 4)).reshape(-1, 4)
    low, high = _SOFT_TISSUE_HU
    even = (low < means) & (means < high) & (np.ptp(quadrants, axis=1) < _LARGEST_STEP_HU)
    kept: np.ndarray = residuals[_evenly(np.flatnonzero(even), MOST_ROIS)]
    return kept


def _corners(inside: np.ndarray, side: int) -> np.ndarray:
    """Return the first corners (n, 3) of squares with one label, by z, y, x."""
    half = side // 2
    x, y = (length // half for length in inside.shape[:2])
    blocks = inside[: x * half, : y * half].reshape(x, half, y, half, -1)
    low, high = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
    four = [(slice(i, x - 1 + i), slice(j, y - 1 + j)) for i in (0, 1) for j in (0, 1)]
    lowest = np.minimum.reduce([low[place] for place in four])
    highest = np.maximum.reduce([high[place] for place in four])
    found = np.argwhere(((lowest == highest) & (lowest > 0)).transpose(2, 1, 0))[:, ::-1]
    corners: np.ndarray = found * np.array([half, half, 1])
    return corners


def _evenly(items: np.ndarray, most: int) -> np.ndarray:
    if len(items) <= most:
        return items
    kept: np.ndarray = items[np.linspace(0, len(items) - 1, most).round().astype(int)]
    return kept


def without_trend(rois: np.ndarray) -> np.ndarray:
    """Return squares (n, side, side) without their mean and linear trend (least squares).

    Example:
        >>> ramp = np.arange(8.0) + np.zeros((1, 8, 8))
        >>> float(np.abs(without_trend(ramp)).max())
        0.0
    """
    side = rois.shape[1]
    ramp = np.arange(side) - (side - 1) / 2
    scale = side * np.square(ramp).sum()
    centred = rois - rois.mean(axis=(1, 2), keepdims=True)
    along_x = (centred * ramp[:, None]).sum(axis=(1, 2)) / scale
    along_y = (centred * ramp).sum(axis=(1, 2)) / scale
    trendless: np.ndarray = centred - along_x[:, None, None] * ramp[:, None] - along_y[:, None, None] * ramp
    return trendless


def noise_power(rois: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """Return the noise power spectrum (side, side) in HU² mm², frequencies in the order of ``numpy.fft``.

    Its integral over the frequency plane is the mean square of the squares' values.

    Args:
        rois: (n, side, side) HU without mean or trend, one or more.
        spacing_mm: of the voxels along both axes.

    Example:
        >>> rois = np.random.default_rng(0).normal(0.0, 10.0, (16, 8, 8))
        >>> spectrum = noise_power(rois, (0.5, 0.5))
        >>> bool(np.isclose(spectrum.sum() / (8 * 0.5) ** 2, np.square(rois).mean()))
        True
    """
    area = spacing_mm[0] * spacing_mm[1] / (rois.shape[1] * rois.shape[2])
    power: np.ndarray = area * np.square(np.abs(np.fft.fft2(rois))).mean(axis=0)
    return power


def radial_mean(power: np.ndarray, spacing_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies (side // 2,) in 1/mm and the spectrum's mean on rings about them.

    The rings are as wide as the spectrum's coarser step; the first lies one step from 0, the last at the Nyquist
    frequency of the coarser axis. Frequency 0, which the trend's removal empties, is left out.

    Args:
        power: (side, side) from ``noise_power``.
        spacing_mm: of the voxels along both axes.

    Example:
        >>> frequencies, power = radial_mean(np.ones((8, 8)), (0.5, 0.5))
        >>> frequencies.tolist(), power.tolist()
        ([0.25, 0.5, 0.75, 1.0], [1.0, 1.0, 1.0, 1.0])
    """
    side = power.shape[0]
    step = 1.0 / (side * max(spacing_mm))
    x, y = (np.fft.fftfreq(side, spacing) for spacing in spacing_mm)
    ring = np.rint(np.hypot(x[:, None], y) / step).astype(int)
    rings = np.arange(1, side // 2 + 1)
    means = np.array([power[ring == index].mean() for index in rings])
    return rings * step, means


def noise_figures(rois: np.ndarray, spacing_mm: tuple[float, float]) -> dict[str, float]:
    """Return noise SD (HU), mean and peak frequency (1/mm) of a volume's squares.

    Args:
        rois: (n, side, side) HU without mean or trend.
        spacing_mm: of the voxels along both axes.

    Returns:
        sd: corrected for the three degrees of freedom of mean and trend; mean_frequency: of the radial spectrum;
        peak_frequency: of its highest ring.

    Example:
        >>> wave = np.cos(np.pi * np.arange(8)) * np.ones((1, 8, 8))  # two voxels long
        >>> noise_figures(wave, (0.5, 0.5))["peak_frequency"]
        1.0
    """
    frequencies, power = radial_mean(noise_power(rois, spacing_mm), spacing_mm)
    pixels = rois.shape[1] * rois.shape[2]
    return {
        "sd": float(np.sqrt(np.square(rois).mean() * pixels / (pixels - 3))),
        "mean_frequency": float(frequencies @ power / power.sum()) if power.any() else float("nan"),
        "peak_frequency": float(frequencies[power.argmax()]) if power.any() else float("nan"),
    }


def adjacent_correlation(hu: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (z - 1,) of each axial slice with the next; NaN where a slice is constant.

    Args:
        hu: (x, y, z).

    Example:
        >>> adjacent_correlation(np.array([[[0.0, 1.0, 1.0], [1.0, 2.0, 0.0]]])).round(6).tolist()
        [1.0, -1.0]
    """
    found, before = np.empty(hu.shape[2] - 1), None
    for start in range(0, hu.shape[2], _BLOCK_SLICES):  # all slices as float64 would be four times an int16 volume
        block = hu[..., start : start + _BLOCK_SLICES]
        slices = block.reshape(-1, block.shape[2]).T.astype(np.float64, order="C")
        slices -= slices.mean(axis=1, keepdims=True)
        for place, values in enumerate(slices, start):
            length = np.sqrt(np.square(values).sum())
            if before is not None:
                with np.errstate(invalid="ignore", divide="ignore"):
                    found[place - 1] = (before[0] * values).sum() / (before[1] * length)
            before = values, length
    return found


def worst_dip(correlations: np.ndarray) -> tuple[float, int] | None:
    """Return how deep the worst dip of adjacent slices' correlation is, and between which slices (first index).

    Depth = (median of the two pairs on either side - this pair) / (1 - median of all pairs): 1 means that one step is
    as much further from 1 than its surroundings as a usual step is from 1. Slow changes along the body cancel; a
    seam between two volumes does not.

    Args:
        correlations: (z - 1,) from ``adjacent_correlation``.

    Returns:
        None if fewer than 5 pairs have a correlation.

    Example:
        >>> worst_dip(np.array([0.5, 0.5, 0.5, 0.25, 0.5, 0.5]))
        (0.5, 3)
    """
    known = np.flatnonzero(np.isfinite(correlations))
    if len(known) < _FEWEST_PAIRS:
        return None
    values = correlations[known]
    around = np.array(
        [np.median(np.delete(values, i)[max(0, i - _NEIGHBOURS) : i + _NEIGHBOURS]) for i in range(len(values))]
    )
    # Volumes that hardly change along z would make every rounding error a dip.
    depth = (around - values) / max(1.0 - float(np.median(values)), _LEAST_SLACK)
    worst = int(depth.argmax())
    return float(depth[worst]), int(known[worst])
