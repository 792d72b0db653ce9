"""Med-LSDM's weights: no public ones were found; the checkpoints that are shipped."""

from __future__ import annotations

from pathlib import Path

from medbench_models.shared.weights import Checkpoints

CHECKPOINTS = Checkpoints(model="med-lsdm", folder=Path(__file__).parent, converter="medbench_models.med_lsdm.convert")
