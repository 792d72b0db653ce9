"""Distances between two sets of region sizes: region by region, and over all regions together."""

from __future__ import annotations

import numpy as np

from medbench.metrics.functional.frechet import frechet_between


def region_figures(*, real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """Return how a region's synthetic ratios differ from the real ones.

    Args:
        real: (n,) ratios that are not all equal.
        synthetic: (m,) ratios, two or more.

    Returns:
        wasserstein: Wasserstein-1 distance over the real standard deviation;
        spread_ratio: synthetic over real standard deviation (below 1 the synthetic vary too little);
        ks: Kolmogorov-Smirnov statistic, the largest gap between the two cumulative distributions;
        overlap: 1 - Kuiper's statistic (largest gap upwards plus largest gap downwards), which is the overlapping
        area of the densities wherever these cross at most twice, and needs neither bins nor bandwidth;
        missing_rate: share of synthetic ratios that are 0.

    Example:
        >>> figures = region_figures(real=np.array([1.0, 2.0, 3.0]), synthetic=np.array([0.0, 2.0, 4.0]))
        >>> {name: round(figure, 3) for name, figure in figures.items()}
        {'wasserstein': 0.667, 'spread_ratio': 2.0, 'ks': 0.333, 'overlap': 0.333, 'missing_rate': 0.333}

    Source: Schmid, Schmidt 2006, Nonparametric estimation of the coefficient of overlapping, CSDA 50:1583 (overlap).
    """
    up, down = _largest_gaps(real, synthetic)
    return {
        "wasserstein": mean_wasserstein(real=real[:, None], synthetic=synthetic[:, None]),
        "spread_ratio": float(synthetic.std(ddof=1) / real.std(ddof=1)),
        "ks": max(up, down),
        "overlap": 1.0 - (up + down),
        "missing_rate": float((synthetic == 0).mean()),
    }


def mean_wasserstein(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the mean over regions of the Wasserstein-1 distance in real standard deviations.

    Args:
        real: (n, regions) ratios.
        synthetic: (m, regions) ratios.

    Returns:
        the mean; NaN if a region does not vary among the real ratios.

    Example:
        >>> real = np.array([[1.0], [2.0], [3.0]])
        >>> mean_wasserstein(real=real, synthetic=real + 0.5)
        0.5
    """
    from scipy.stats import wasserstein_distance

    if np.any(np.ptp(real, axis=0) == 0):
        return float("nan")
    distances = [wasserstein_distance(real[:, column], synthetic[:, column]) for column in range(real.shape[1])]
    return float(np.mean(distances / real.std(axis=0, ddof=1)))


def log_volume_distance(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the Fréchet distance of log volumes, each region scaled by the real standard deviation.

    It sees what regions one by one do not: organs that no longer grow together.

    Args:
        real: (n, regions) volumes above 0; n of at least 2.
        synthetic: (m, regions) volumes above 0, m of at least 2.

    Returns:
        the distance; NaN if a side has fewer than two volumes, or a region does not vary among the real ones.

    Example:
        >>> real = np.exp([[1.0], [2.0], [3.0]])
        >>> round(log_volume_distance(real=real, synthetic=np.e * real), 6)  # one SD further on
        1.0
    """
    if min(len(real), len(synthetic)) < 2 or np.any(np.ptp(real, axis=0) == 0):
        return float("nan")
    log_real, log_synthetic = np.log(real), np.log(synthetic)
    scale = log_real.std(axis=0, ddof=1)
    return frechet_between(real=log_real / scale, synthetic=log_synthetic / scale)


def composition(counts: np.ndarray) -> np.ndarray:
    """Return each region's share of all regions together, which does not depend on the field of view around them.

    Args:
        counts: (volumes, regions) voxels.

    Returns:
        (volumes that have any region, regions) 0 to 1.

    Example:
        >>> composition(np.array([[1, 3], [0, 0], [2, 2]])).tolist()
        [[0.25, 0.75], [0.5, 0.5]]
    """
    total = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray = counts[total[:, 0] > 0] / total[total > 0][:, None]
    return shares


def _largest_gaps(real: np.ndarray, synthetic: np.ndarray) -> tuple[float, float]:
    at = np.union1d(real, synthetic)
    gap = np.searchsorted(np.sort(real), at, side="right") / len(real)
    gap -= np.searchsorted(np.sort(synthetic), at, side="right") / len(synthetic)
    return float(max(gap.max(), 0.0)), float(max(-gap.min(), 0.0))
