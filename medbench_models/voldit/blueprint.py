"""What VolDiT's weight files must hold."""

from __future__ import annotations

from typing import Final

from medbench_models.shared.blueprint import Blueprint
from medbench_models.shared.vqvae import TRAINING_ONLY
from medbench_models.voldit.checkpoint import Description, as_stored, build
from medbench_models.voldit.upstream import held, with_codes_of

BLUEPRINT: Final = Blueprint(
    described=Description,
    build=build,
    stages={"vqvae": "stage1", "dit": "stage2", "adapter": "stage3"},
    leave_out=TRAINING_ONLY,
    as_stored=as_stored,
    public=held,
    as_public=with_codes_of,
    needed="--scale-factor NUMBER",
)
