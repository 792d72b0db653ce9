"""Med-LSDM's checkpoint: what it says beside its weights, and its networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from medbench.storage.tensors import fill
from medbench_models.med_lsdm.config import NetworkConfig
from medbench_models.med_lsdm.unet import Unet
from medbench_models.med_lsdm.vqgan import TRAINING_ONLY, VqGan
from medbench_models.shared import checkpoint

MODEL: Final = "med-lsdm"


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself, and what sampling needs of it.

    Args:
        ignored_regions: regions of the training label maps that the networks were not given.
    """

    ignored_regions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description."""

    vqgan: VqGan
    unet: Unet
    description: Description


def build_networks(network: NetworkConfig) -> dict[str, VqGan | Unet]:
    """Return a network's VQ-GAN and U-Net, by the names that they have in a checkpoint."""
    return {
        "vqgan": VqGan(network.autoencoder, network.classes),
        "unet": Unet(network.unet, network.autoencoder.code_channels, network.classes),
    }


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network; which regions it knows is the checkpoint's.

    Raises:
        CheckpointError: damaged, another model's, of another configuration, or a file of the public code.
    """
    convert = "python -m medbench_models.med_lsdm.convert --vqgan FILE --diffusion FILE --labels FILE --out FILE"
    weights, description = checkpoint.read(path, Description, model=MODEL, how_to_convert=convert)
    found = description.network
    checkpoint.require_same_network(path, description, as_stored(network, found))
    networks = build_networks(found)
    fill(torch.nn.ModuleDict(networks), weights, path=path, keep=[f"vqgan.{name}" for name in TRAINING_ONLY])
    for one in networks.values():
        one.eval().to(device)
    vqgan, unet = networks["vqgan"], networks["unet"]
    assert isinstance(vqgan, VqGan)
    assert isinstance(unet, Unet)
    return Loaded(vqgan, unet, description)


def as_stored(network: NetworkConfig, found: NetworkConfig) -> NetworkConfig:
    """Return a preset's network as a checkpoint may hold it, with what no weight's shape tells a preset by.

    Converted ones know other regions, another window and schedule, or a decoder that is steered.
    """
    return network.model_copy(
        update={
            "autoencoder": network.autoencoder.model_copy(update={"spade": found.autoencoder.spade}),
            "unet": network.unet.model_copy(update={"timesteps": found.unet.timesteps}),
            "regions": found.regions,
            "window": found.window,
        }
    )
