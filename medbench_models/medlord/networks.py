"""MedLoRD's networks, on MONAI's own classes."""

from __future__ import annotations

from collections.abc import Iterator

from monai.networks.nets import DiffusionModelUNet
from torch import nn

from medbench.training.checkpointing import checkpoint_activations
from medbench_models.medlord.config import NetworkConfig, UnetConfig
from medbench_models.medlord.controlnet import ControlNet, Steered
from medbench_models.shared.schedules import Discrete, cosine_alphas


def build_unet(config: UnetConfig, latent_channels: int) -> DiffusionModelUNet:
    """Return the diffusion U-Net for latents of ``latent_channels`` channels.

    It is MONAI's without the projection after attention and without the activation before the last convolution: the
    public code stores the one and never applies it, and has dropped the other.
    """
    unet = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=latent_channels,
        out_channels=latent_channels,
        channels=config.channels,
        attention_levels=config.attention,
        num_res_blocks=config.res_blocks,
        num_head_channels=config.head_channels,
        norm_num_groups=config.norm_groups,
        include_fc=False,
        use_flash_attention=True,
    )
    unet.out[1] = nn.Identity()
    return unet


def build_schedule(config: UnetConfig) -> Discrete:
    """Return the noise schedule of a U-Net, which predicts velocities."""
    return Discrete(cosine_alphas(config.timesteps))


def build_controlnet(network: NetworkConfig) -> ControlNet:
    """Return the ControlNet of a network that has one."""
    assert network.controlnet is not None  # the caller asked
    return ControlNet(network.controlnet, network.unet, network.vqvae.codebook_dim)


def build_denoiser(network: NetworkConfig, *, steered: bool) -> DiffusionModelUNet | Steered:
    """Return what stage 2 trains, the U-Net, or what stage 3 does: a ControlNet that steers a frozen one."""
    controlnet = build_controlnet(network) if steered else None  # first: the seed's chance is the ControlNet's
    unet = build_unet(network.unet, network.vqvae.codebook_dim)
    return unet if controlnet is None else Steered(controlnet, unet)


def parts_of(denoiser: DiffusionModelUNet | Steered) -> list[DiffusionModelUNet | ControlNet]:
    """Return the U-Net, and the ControlNet before it where there is one."""
    return [denoiser.controlnet, denoiser.unet] if isinstance(denoiser, Steered) else [denoiser]


def checkpoint_layers(denoiser: DiffusionModelUNet | Steered) -> None:
    """Let the layers whose activations are large compute them again in the backward pass instead of keeping them."""
    checkpoint_activations(layer for part in parts_of(denoiser) for layer in _layers_of(part))


def _layers_of(network: DiffusionModelUNet | ControlNet) -> Iterator[nn.Module]:
    ups = network.up_blocks if isinstance(network, DiffusionModelUNet) else ()
    for block in (*network.down_blocks, *ups):
        yield from block.resnets
    yield network.middle_block.resnet_1
    yield network.middle_block.resnet_2
