"""What MedLoRD's weight files must hold."""

from __future__ import annotations

from typing import Final

from medbench_models.medlord.checkpoint import Description, as_stored, build
from medbench_models.medlord.convert import SCALE_FACTOR
from medbench_models.medlord.upstream import held
from medbench_models.shared.blueprint import Blueprint
from medbench_models.shared.vqvae import TRAINING_ONLY

BLUEPRINT: Final = Blueprint(
    described=Description,
    build=lambda network, shape: build(network),
    stages={"vqvae": "stage1", "unet": "stage2", "controlnet": "stage3"},
    leave_out=TRAINING_ONLY,
    as_stored=as_stored,
    public=held,
    assumed_scale_factor=SCALE_FACTOR,
)
