"""HA-GAN's weights: no file is fetched, since the authors state no licence; who has theirs converts it."""

from __future__ import annotations

from pathlib import Path

from medbench.generators.base import TrainingData
from medbench_models.shared.weights import Checkpoints

CHECKPOINTS = Checkpoints(
    model="ha-gan",
    folder=Path(__file__).parent,
    published={"copdgene": {}},
    converter="medbench_models.ha_gan.convert",
)

# What the authors' files saw, by the preset that they are for.
TRAINED_ON = {"copdgene": (TrainingData("COPDGene", note="which of its chest CT is not published"),)}
