"""What MAISI's weight files must hold."""

from __future__ import annotations

from typing import Final

from torch import nn

from medbench_models.maisi.checkpoint import Description, as_stored
from medbench_models.maisi.config import NetworkConfig
from medbench_models.maisi.networks import Autoencoder, Denoiser, build_controlnet
from medbench_models.maisi.upstream import held
from medbench_models.shared.blueprint import Blueprint


def _build(network: NetworkConfig, shape: tuple[int, int, int]) -> dict[str, nn.Module]:
    del shape
    parts = {"autoencoder": Autoencoder(network.autoencoder), "unet": Denoiser(network).unet}
    return parts if network.controlnet is None else {**parts, "controlnet": build_controlnet(network)}


BLUEPRINT: Final = Blueprint(
    described=Description,
    build=_build,
    stages={"autoencoder": "stage1", "unet": "stage2", "controlnet": "stage3"},
    as_stored=as_stored,
    public=held,
)
