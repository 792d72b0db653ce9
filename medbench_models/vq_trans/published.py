"""VQ-Trans's weights: no public ones exist; the checkpoints that are shipped."""

from __future__ import annotations

from pathlib import Path

from medbench_models.shared.weights import Checkpoints

CHECKPOINTS = Checkpoints(model="vq-trans", folder=Path(__file__).parent)
