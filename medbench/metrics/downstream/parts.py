"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "median": Definition(
        "median over held-out subjects of the Dice coefficient that the trained network reaches", "DSC, 0 to 1"
    ),
    "iqr": Definition("interquartile range of the Dice coefficient", "DSC"),
    "mean": Definition("mean over held-out subjects; for a difference: of the paired differences", "DSC"),
    "ci_low": Definition("lower end of the 95 % interval (of the median; for a difference: of the mean)", "DSC"),
    "ci_high": Definition("upper end of that interval", "DSC"),
    "n": Definition("held-out subjects", "subjects"),
    "missed_rate": Definition("share of cases in which network and label map share no voxel", "0 to 1"),
    "missed_low": Definition("lower end of the exact interval of that share", "0 to 1"),
    "missed_high": Definition("upper end of the exact interval of that share", "0 to 1"),
    "hodges_lehmann": Definition("median of all means of two paired differences", "DSC"),
    "p_value": Definition("p-value of the paired difference by Wilcoxon"),
}
