"""CRF-GAN's weights: none are public, and the code has no licence; who has a file of its trainer converts it."""

from __future__ import annotations

from pathlib import Path

from medbench_models.shared.weights import Checkpoints

CHECKPOINTS = Checkpoints(model="crf-gan", folder=Path(__file__).parent, converter="medbench_models.crf_gan.convert")
