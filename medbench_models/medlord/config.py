"""MedLoRD's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from typing import Literal

from medbench.spec import Spec, Window
from medbench.training import Precision


class VqvaeConfig(Spec):
    """Architecture of the VQ-VAE: each level halves every axis."""

    channels: tuple[int, ...]
    res_layers: int
    codebook_size: int
    codebook_dim: int = 8
    commitment: float = 0.25
    decay: float = 0.95
    epsilon: float = 1e-5

    @property
    def factor(self) -> int:
        """Voxels of one latent position along each axis."""
        return int(2 ** len(self.channels))


class UnetConfig(Spec):
    """Architecture of the diffusion U-Net and the noise schedule it belongs to."""

    channels: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]
    head_channels: int
    norm_groups: int
    timesteps: int = 300


class ControlNetConfig(Spec):
    """Architecture of the ControlNet that steers a U-Net by label maps.

    Args:
        regions: one mask channel each, in this order.
        ratio: its widths over the U-Net's.
        embedding_channels: of the mask embedding; each but the first halves every axis.
        embedding_stride: of its first convolution.
        transformers: attention by transformer blocks instead of the U-Net's plain ones.
        head_channels: of each level.
        norm_groups: of its group norms.
    """

    regions: tuple[str, ...]
    ratio: float
    embedding_channels: tuple[int, ...]
    embedding_stride: int
    transformers: bool
    head_channels: tuple[int, ...]
    norm_groups: int


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused."""

    vqvae: VqvaeConfig
    unet: UnetConfig
    controlnet: ControlNetConfig | None = None
    window: Window = Window()


RateSchedule = Literal["constant", "cosine", "exponential"]


class Stage1Config(Spec):
    """Training of the VQ-VAE as a GAN: L1 + mse + spectral + perceptual + commitment + adversarial.

    The first ``quantise_from`` share of the steps trains without quantisation, then k-means on the encoder's output
    makes the codebook (0: quantised from the first step, with random codes). Dead codes are restarted until
    ``restart_until`` (0: never). The adversarial term ramps up from ``adversarial_from`` on over ``adversarial_ramp``.

    Args:
        steps: optimiser steps.
        batch: crops in each forward pass.
        accumulate: forward passes in each optimiser step.
        crop: voxels.
        centred: draw crops towards the volume's middle instead of evenly.
        augment: rotate by up to 5 degrees about each axis (probability 0.2) and flip axis 1 (probability 0.5).
        rate: AdamW's learning rate; ``discriminator_rate`` that of the discriminator.
        schedule: of the learning rate.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        precision: of the networks' arithmetic.
    """

    steps: int
    batch: int
    accumulate: int = 1
    crop: tuple[int, int, int]
    centred: bool
    augment: bool
    rate: float
    schedule: RateSchedule
    mse_weight: float
    spectral_weight: float
    perceptual_weight: float
    quantise_from: float
    restart_until: float
    adversarial_from: float
    adversarial_ramp: float
    adversarial_weight: float
    discriminator_channels: int
    discriminator_layers: int
    discriminator_rate: float
    checkpointing: bool = False
    precision: Precision


class DiffusionConfig(Spec):
    """Training by v-prediction on the scaled latents: of the U-Net, or of a ControlNet that steers it.

    Args:
        steps: optimiser steps.
        batch: latents in each forward pass.
        accumulate: forward passes in each optimiser step.
        rate: AdamW's learning rate.
        schedule: of the learning rate.
        loss: between predicted and true velocity.
        ema_decay: of the averaged weights, which are kept.
        mask_dropout: chance with which each mask channel of a batch is emptied (ControlNet only).
        checkpointing: compute activations again in the backward pass instead of keeping them.
        precision: of the networks' arithmetic.
    """

    steps: int
    batch: int
    accumulate: int = 1
    rate: float
    schedule: RateSchedule
    loss: Literal["l1", "smooth_l1", "mse"]
    ema_decay: float
    mask_dropout: float = 0.0
    checkpointing: bool = False
    precision: Precision


class SamplingConfig(Spec):
    """How latents are sampled.

    Args:
        sampler: ``ddim`` with the public code's spacing, ``dpm`` (DPM-Solver++), or ``ddpm`` through every time step.
        steps: network evaluations of ``ddim`` and ``dpm``.
    """

    sampler: Literal["ddim", "dpm", "ddpm"]
    steps: int


class MedLoRDConfig(Spec):
    """A preset; ``stage3`` is None where it has no ControlNet."""

    network: NetworkConfig
    stage1: Stage1Config
    stage2: DiffusionConfig
    stage3: DiffusionConfig | None
    sampling: SamplingConfig
    follows: str
