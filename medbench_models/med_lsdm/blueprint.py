"""What Med-LSDM's weight files must hold."""

from __future__ import annotations

from typing import Final

from medbench_models.med_lsdm.attention import DepthAttention, PlaneAttention
from medbench_models.med_lsdm.checkpoint import Description, as_stored, build_networks
from medbench_models.med_lsdm.upstream import held
from medbench_models.med_lsdm.vqgan import TRAINING_ONLY
from medbench_models.shared.blueprint import Blueprint

BLUEPRINT: Final = Blueprint(
    described=Description,
    build=lambda network, shape: build_networks(network),
    stages={"vqgan": "stage1", "unet": "stage2"},
    leave_out=TRAINING_ONLY,
    as_stored=as_stored,
    public=held,
    attention=(DepthAttention, PlaneAttention),
)
