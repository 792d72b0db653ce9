"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "wasserstein_hu": Definition(
        "Wasserstein-1 distance between the HU inside the region in samples and in real volumes", "HU"
    ),
    "median_hu": Definition("median over samples of the median HU inside the region", "HU"),
    "median_hu_real": Definition("the same of the real volumes", "HU"),
    "outside_bounds": Definition("share of samples whose median HU lies outside the bounds", "0 to 1"),
    "bound_low": Definition("lower bound of a plausible median HU", "HU"),
    "bound_high": Definition("upper bound of a plausible median HU", "HU"),
    "missing_rate": Definition("share of samples without the region", "0 to 1"),
    "n": Definition("volumes of the samples that count", "volumes"),
    "n_real": Definition("real volumes that count", "volumes"),
    "sd": Definition("noise: standard deviation in even tissue", "HU"),
    "sd_real": Definition("the same in real volumes", "HU"),
    "sd_ratio": Definition("noise of the samples over that of real volumes; below 1 they are too smooth"),
    "mean_frequency": Definition("mean frequency of the noise; lower is coarser", "1/mm"),
    "mean_frequency_real": Definition("the same in real volumes", "1/mm"),
    "mean_frequency_ratio": Definition("that of the samples over that of real volumes"),
    "peak_frequency": Definition("frequency at which the noise is strongest", "1/mm"),
    "peak_frequency_real": Definition("the same in real volumes", "1/mm"),
    "peak_frequency_ratio": Definition("that of the samples over that of real volumes"),
    "spectrum_distance": Definition("half the L1 distance of the two noise spectra: 0 equal, 1 disjoint", "0 to 1"),
    "correlation": Definition("correlation of an axial slice with the next, median over samples", "-1 to 1"),
    "correlation_real": Definition("the same in real volumes", "-1 to 1"),
    "dip": Definition(
        "how far the worst pair of slices falls below its neighbours, median over samples: a seam raises it"
    ),
    "dip_real": Definition("the same in real volumes"),
    "deeper_than_real": Definition("share of samples with a deeper dip than every real volume", "0 to 1"),
}
