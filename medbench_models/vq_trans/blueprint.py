"""What VQ-Trans's weight files must hold; no public ones exist."""

from __future__ import annotations

from typing import Final

from medbench_models.shared.blueprint import Blueprint
from medbench_models.shared.vqvae import TRAINING_ONLY
from medbench_models.vq_trans.checkpoint import Description, build
from medbench_models.vq_trans.transformer import Attention

BLUEPRINT: Final = Blueprint(
    described=Description,
    build=build,
    stages={"vqvae": "stage1", "transformer": "stage2"},
    leave_out=TRAINING_ONLY,
    attention=(Attention,),
)
