"""VolDiT's networks for a latent's shape."""

from __future__ import annotations

from collections.abc import Sequence

from medbench.training.checkpointing import checkpoint_activations
from medbench_models.shared.schedules import Discrete, cosine_alphas
from medbench_models.voldit.adapter import Steered, TokenAdapter
from medbench_models.voldit.config import DitConfig, NetworkConfig
from medbench_models.voldit.dit import Dit


def build_dit(network: NetworkConfig, shape: Sequence[int]) -> Dit:
    """Return the transformer for volumes of ``shape`` voxels (x, y, z)."""
    grid = [size // network.multiple for size in shape]
    return Dit(network.dit, grid, network.vqvae.codebook_dim)


def build_adapter(network: NetworkConfig) -> TokenAdapter:
    """Return the adapter of a network that has one."""
    assert network.adapter is not None  # the caller asked
    return TokenAdapter(network.adapter, network.dit)


def build_schedule(config: DitConfig) -> Discrete:
    """Return the noise schedule of a transformer, which predicts velocities."""
    return Discrete(cosine_alphas(config.timesteps))


def build_denoiser(network: NetworkConfig, shape: Sequence[int], *, steered: bool) -> Dit | Steered:
    """Return what stage 2 trains, the transformer, or what stage 3 does: an adapter that steers a frozen one."""
    adapter = build_adapter(network) if steered else None  # first: the seed's chance is the adapter's
    dit = build_dit(network, shape)
    return dit if network.adapter is None or adapter is None else Steered(adapter, dit, network.adapter.tuned)


def dit_of(denoiser: Dit | Steered) -> Dit:
    """Return the transformer."""
    return denoiser.dit if isinstance(denoiser, Steered) else denoiser


def checkpoint_blocks(denoiser: Dit | Steered) -> None:
    """Let the transformer's blocks compute their activations again in the backward pass instead of keeping them."""
    checkpoint_activations(dit_of(denoiser).blocks)
