"""HA-GAN's weights: no file is fetched, since the authors state no licence; who has theirs converts it."""

from __future__ import annotations

from pathlib import Path

from medbench_models.shared.weights import Checkpoints

CHECKPOINTS = Checkpoints(
    model="ha-gan",
    folder=Path(__file__).parent,
    published={"copdgene": {}},
    converter="medbench_models.ha_gan.convert",
)
