"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "copied": Definition(
        "share of sampled subjects that lie nearer to one training volume than strangers do", "0 to 1"
    ),
    "copied_floor": Definition("that share as strangers show it by chance", "0 to 1"),
    "memorized": Definition("share of training volumes that a flagged sample repeats", "0 to 1"),
    "nn_ratio": Definition(
        "distance of the samples to the training volumes over that to held-out volumes; well below 1 is copying"
    ),
    "nn_ratio_floor": Definition("the same ratio of held-out volumes"),
    "threshold_ratio": Definition("ratio of the nearest distance to the next patient below which a sample is flagged"),
    "median_ratio": Definition("median of that ratio over the samples; a copy is near 0"),
    "median_ratio_floor": Definition("median of that ratio over held-out volumes"),
}
