"""MedLoRD's networks, on MONAI's own classes."""

from __future__ import annotations

from monai.networks.nets import VQVAE, DiffusionModelUNet, PatchDiscriminator
from torch import nn

from medbench_models.medlord.config import Stage1Config, UnetConfig, VqvaeConfig
from medbench_models.medlord.quantiser import EmaQuantiser


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


def build_faithful_unet(config: UnetConfig, latent_channels: int) -> DiffusionModelUNet:
    """Return the paper's U-Net: no projection after attention, no activation before the last convolution."""
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


def build_unet(config: UnetConfig, latent_channels: int) -> DiffusionModelUNet:
    """Return MONAI's diffusion U-Net for latents of ``latent_channels`` channels."""
    return DiffusionModelUNet(
        spatial_dims=3,
        in_channels=latent_channels,
        out_channels=latent_channels,
        channels=config.channels,
        attention_levels=config.attention,
        num_res_blocks=config.res_blocks,
        num_head_channels=config.head_channels,
        norm_num_groups=config.norm_groups,
        use_flash_attention=True,
    )
