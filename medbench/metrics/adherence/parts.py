"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "median": Definition(
        "median over subjects of the Dice coefficient of mask and segmentation: 1 is full agreement", "DSC, 0 to 1"
    ),
    "iqr": Definition("interquartile range of the Dice coefficient", "DSC"),
    "q1": Definition("lower quartile of the Dice coefficient", "DSC"),
    "q3": Definition("upper quartile of the Dice coefficient", "DSC"),
    "ci_low": Definition("lower end of the 95 % interval of the median", "DSC"),
    "ci_high": Definition("upper end of the 95 % interval of the median", "DSC"),
    "n": Definition("subjects to which the region applies", "subjects"),
    "nsd_median": Definition(
        "median share of the two surfaces that lie within the tolerance of each other", "NSD, 0 to 1"
    ),
    "nsd_iqr": Definition("interquartile range of that share", "NSD"),
    "hd95_median": Definition(
        "median over subjects of the 95th percentile of the distances between the surfaces", "mm"
    ),
    "hd95_iqr": Definition("interquartile range of that distance", "mm"),
    "missing_rate": Definition("share of samples in which the segmenter finds nothing of the region", "0 to 1"),
    "missing_low": Definition("lower end of the exact interval of that share", "0 to 1"),
    "missing_high": Definition("upper end of the exact interval of that share", "0 to 1"),
    "ceiling_median": Definition(
        "what the segmenter reaches on held-out real volumes with their own masks: the best to expect", "DSC"
    ),
    "shuffled_median": Definition("what masks of other samples score: anatomy alone, without any steering", "DSC"),
}
