"""Hounsfield units of one region in two sets of volumes: their distance, and the bounds of its median."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medbench.metrics.hu.volume import LEVELS, Figures
from medbench.statistics.resampling import Stay

# NV-Generate's quality check: from min(mean - 6 SD, 0.5th percentile) to max(mean + 6 SD, 99.5th) of real medians.
_PUBLISHED: Mapping[str, tuple[float, float]] = {
    "liver": (-21.6, 162.0),
    "spleen": (-43.0, 184.0),
    "lung": (-1088.0, -367.0),
    "bone": (71.0, 1000.0),
}
_BONES = (
    *("bone", "rib", "spine", "vertebra", "sternum", "clavicula", "scapula"),
    *("sacrum", "hip_", "femur", "humerus", "skull"),
)


def mean_distance(
    *, real: Figures, synthetic: Figures, regions: Sequence[str], stay: tuple[Stay, Stay] = (slice(None), slice(None))
) -> float:
    """Return the mean over regions of the Wasserstein-1 distance (HU) between two sets of subjects of equal weight.

    A subject's voxels stand as 100 quantiles, shared among its volumes.

    Args:
        real: figures of the real volumes.
        synthetic: likewise.
        regions: known to both.
        stay: which volumes of both sides stay.

    Returns:
        NaN if a side has no volume with one of the regions.
    """
    from scipy.stats import wasserstein_distance

    distances = []
    for region in regions:
        sides = [_points(side, region, which) for side, which in zip((real, synthetic), stay)]
        if not all(len(points) for points, _ in sides):
            return float("nan")
        (first, first_weights), (second, second_weights) = sides
        distances.append(wasserstein_distance(first, second, first_weights, second_weights))
    return float(np.mean(distances))


def _points(figures: Figures, region: str, stay: Stay) -> tuple[np.ndarray, np.ndarray]:
    quantiles = figures.quantiles[region][stay]
    has = np.isfinite(quantiles[:, 0])
    _, subject, volumes = np.unique(np.asarray(figures.subjects)[stay][has], return_inverse=True, return_counts=True)
    return quantiles[has].ravel(), np.repeat(1.0 / volumes[subject], len(LEVELS))


def region_figures(region: str, *, real: Figures, synthetic: Figures) -> dict[str, float]:
    """Return what a region's HU are like.

    Args:
        region: that both sides have.
        real: figures of the real volumes.
        synthetic: likewise.

    Returns:
        median_hu, median_hu_real: medians over volumes of the median HU inside; wasserstein_hu; outside_bounds: share
        of all synthetic volumes whose median lies outside bound_low..bound_high, where a volume without the region is
        no outlier; missing_rate: share of synthetic volumes without it; n: synthetic volumes whose HU count.
    """
    medians, medians_real = synthetic.medians(region), real.medians(region)
    low, high = published_bounds(region) or bounds_of(medians_real[np.isfinite(medians_real)])
    return {
        "median_hu": float(np.nanmedian(medians)),
        "median_hu_real": float(np.nanmedian(medians_real)),
        "wasserstein_hu": mean_distance(real=real, synthetic=synthetic, regions=[region]),
        "outside_bounds": float(np.mean((medians < low) | (medians > high))),
        "bound_low": low,
        "bound_high": high,
        "missing_rate": float(np.mean(synthetic.voxels[region] == 0)),
        "n": float(np.isfinite(medians).sum()),
    }


def published_bounds(region: str) -> tuple[float, float] | None:
    """Return NV-Generate's bounds of a region's median HU; None where it has none."""
    if region in ("liver", "spleen"):
        return _PUBLISHED[region]
    if region == "lung" or (region.startswith(("lung_", "lungs")) and "vessel" not in region):
        return _PUBLISHED["lung"]
    return _PUBLISHED["bone"] if region.startswith(_BONES) else None


def bounds_of(medians: np.ndarray) -> tuple[float, float]:
    """Return bounds from real medians by the published rule: mean ± 6 SD or the outer 0.5 %, whichever is wider.

    Args:
        medians: (n,) HU, n of at least 2.
    """
    reach = 6.0 * medians.std(ddof=1)
    low, high = np.percentile(medians, [0.5, 99.5])
    return float(min(medians.mean() - reach, low)), float(max(medians.mean() + reach, high))
