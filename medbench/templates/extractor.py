"""A feature extractor of your own, for the Fréchet and kernel distances: a histogram of every slice.

Name it in a protocol, and evaluate under that:

    name = "mine"
    summary = "slices seen by template-name"
    extractor = "template_name.py:TemplateName"

    medbench evaluate SAMPLES --real REAL --protocol mine.toml
"""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np

from medbench import ExtractorInfo

BINS = 32


class TemplateName:
    """Share of the pixels in each of 32 bins of grey."""

    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="template-name",
        version="1",  # raise it when the same slices would yield other features
        dimension=BINS,
        stand_in=False,
        license="of the weights",
        source="where it was published",
        sees="slices",  # "volumes": features() then takes one volume (x, y, z) and returns (dimension,)
    )

    def __init__(self, *, device: str) -> None:
        self.device = device

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights' file, which enters every fingerprint; this extractor has no weights.

        Where they are not here, raise ``medbench.Unavailable`` with a line that says how to get them.
        """
        return hashlib.sha256(b"").hexdigest()

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features (n, dimension) float32 of slices (n, height, width) float32 in 0..1, of any size."""
        counts = [np.histogram(one, bins=BINS, range=(0.0, 1.0))[0] / one.size for one in slices]
        return np.array(counts, dtype=np.float32)
