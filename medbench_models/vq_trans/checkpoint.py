"""VQ-Trans's checkpoint: its two networks, and the shape that the transformer's positions stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from medbench.storage.tensors import fill
from medbench_models.shared import checkpoint
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae
from medbench_models.vq_trans.config import NetworkConfig
from medbench_models.vq_trans.networks import build_transformer
from medbench_models.vq_trans.transformer import Transformer

MODEL: Final = "vq-trans"


class Description(checkpoint.Description[NetworkConfig]):
    """What a checkpoint says about itself; its ``shape`` sets the length of the sequences.

    Args:
        codes_used: share of the codebook that the training volumes use.
    """

    codes_used: float


@dataclass(frozen=True)
class Loaded:
    """Networks in evaluation mode with their description."""

    vqvae: Vqvae
    transformer: Transformer
    description: Description


def load(path: Path, network: NetworkConfig, device: str) -> Loaded:
    """Read a checkpoint for a preset's network.

    Raises:
        CheckpointError: damaged, another model's, or of another configuration.
    """
    weights, description = checkpoint.read(path, Description, model=MODEL)
    checkpoint.require_same_network(path, description, network)
    networks = torch.nn.ModuleDict(build(network, description.shape))
    fill(networks, weights, path=path, keep=[f"vqvae.{name}" for name in TRAINING_ONLY])
    networks.eval().to(device)
    return Loaded(networks["vqvae"], networks["transformer"], description)


def build(network: NetworkConfig, shape: tuple[int, int, int]) -> dict[str, torch.nn.Module]:
    """Return the networks by part, with fresh weights, for volumes of a shape."""
    return {"vqvae": Vqvae(network.vqvae), "transformer": build_transformer(network, shape)}
