"""What each part of the metric is, in one line, with its unit."""

from __future__ import annotations

from typing import Final

from medbench.records.results import Definition

PARTS: Final = {
    "mean": Definition("mean over held-out subjects, of psnr in dB, of ms_ssim and lpips as pure numbers"),
    "std": Definition("standard deviation over held-out subjects, in the same unit"),
    "scales": Definition("how many scales of MS-SSIM the smallest axis holds", "scales"),
}
