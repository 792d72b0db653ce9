"""MedLoRD's networks, on MONAI's own classes."""

from __future__ import annotations

from collections.abc import Iterator

from monai.networks.nets import VQVAE, DiffusionModelUNet, PatchDiscriminator
from torch import nn

from medbench_models.medlord.config import NetworkConfig, Stage1Config, UnetConfig, VqvaeConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.shared.quantiser import EmaQuantiser
from medbench_models.shared.schedules import Discrete, cosine_alphas


def build_vqvae(config: VqvaeConfig) -> VQVAE:
    """Return MONAI's VQ-VAE with the quantiser that works in chunks; its state-dict names are MONAI's."""
    levels = len(config.channels)
    vqvae = VQVAE(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        channels=config.channels,
        num_res_channels=config.channels,
        num_res_layers=config.res_layers,
        downsample_parameters=((2, 4, 1, 1),) * levels,
        upsample_parameters=((2, 4, 1, 1, 0),) * levels,
        num_embeddings=config.codebook_size,
        embedding_dim=config.codebook_dim,
    )
    vqvae.quantizer.quantizer = EmaQuantiser(
        config.codebook_size,
        config.codebook_dim,
        commitment=config.commitment,
        decay=config.decay,
        epsilon=config.epsilon,
    )
    return vqvae


def codebook_of(vqvae: VQVAE) -> EmaQuantiser:
    """Return the quantiser inside a VQ-VAE."""
    return vqvae.quantizer.quantizer


def build_discriminator(config: Stage1Config) -> PatchDiscriminator:
    """Return the patch discriminator of stage 1."""
    return PatchDiscriminator(
        spatial_dims=3,
        in_channels=1,
        channels=config.discriminator_channels,
        num_layers_d=config.discriminator_layers,
        norm="INSTANCE",
    )


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


def layers_of_unet(unet: DiffusionModelUNet | ControlNet) -> Iterator[nn.Module]:
    """Yield the layers whose activations are worth computing again instead of keeping."""
    ups = unet.up_blocks if isinstance(unet, DiffusionModelUNet) else ()
    for block in (*unet.down_blocks, *ups):
        yield from block.resnets
    yield unet.middle_block.resnet_1
    yield unet.middle_block.resnet_2
