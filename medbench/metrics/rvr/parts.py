"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "wasserstein": Definition(
        "Wasserstein-1 distance of the distributions of the share of the volume that the region fills; overall: mean",
        "real SD",
    ),
    "spread_ratio": Definition("SD of the samples over SD of the real volumes; below 1 the samples vary too little"),
    "ks": Definition("largest difference of the two cumulative distributions (Kolmogorov-Smirnov)", "0 to 1"),
    "ks_p": Definition("two-sided p-value of that difference"),
    "ks_p_holm": Definition("that p-value, adjusted by Holm for the number of regions"),
    "overlap": Definition("how much the two distributions overlap (1 - Kuiper statistic): 1 is full", "0 to 1"),
    "missing_rate": Definition("share of samples without the region", "0 to 1"),
    "volume_ml": Definition("median size of the region in the samples", "mL"),
    "volume_ml_real": Definition("median size of the region in the real volumes", "mL"),
    "composition_wasserstein": Definition(
        "the same distance for the region as a share of all compared regions together", "real SD"
    ),
    "frechet_log_volume": Definition(
        "Fréchet distance of the log sizes of all regions together: sees organs that no longer grow together"
    ),
    "frechet_log_volume_ci_low": Definition("lower end of its 95 % interval"),
    "frechet_log_volume_ci_high": Definition("upper end of its 95 % interval"),
}
